import { beforeAll, describe, expect, test, vi } from 'vitest'
import { scenarioOf } from './draw-scenario.js'
import { type Story, tell } from './run.js'
import type { Scenario } from './scenario.js'

beforeAll(() => vi.setConfig({ testTimeout: 60_000 }))

/** Histories of which the service is well, and the database now and then loses a statement or an answer. */
function lossy(scenario: Scenario): Scenario {
  return { ...scenario, rates: { statement_lost: 0.1, answer_lost: 0.1 } }
}

async function firstTold(of: RegExp): Promise<Story> {
  for (let seed = 1; seed <= 500; seed++) {
    const story = await tell(lossy(scenarioOf(seed, 'key')))
    expect(story.violation).toBeNull()
    if (story.lines.some((line) => of.test(line))) return story
  }
  throw new Error(`No history has ${of}.`)
}

describe('a statement inside of a transaction', () => {
  test.each(['enqueue', 'compensations'])('%s: is lost with its transaction, and its caller is told', async (what) => {
    const { lines } = await firstTold(new RegExp(`hears of ${what}: connection lost in a transaction`))
    expect(lines.join('\n')).toMatch(/answers \S+: journal \(The database: connection lost in a transaction\.\)/)
  })

  test('of a worker whose connection was cut meanwhile says so', async () => {
    const cut = /hears of (enqueue|compensations): the connection was closed in the middle of a transaction/
    for (let seed = 1; seed <= 3_000; seed++) {
      const scenario = scenarioOf(seed)
      const outages = [20, 40, 60, 80].map((atMs) => ({ atMs, forMs: 5, clockStepMs: 0 }))
      const messages = scenario.messages.map((each) => ({ ...each, how: 'enqueue' as const }))
      const { lines, violation } = await tell({ ...scenario, messages, outages, rates: { statement_slow: 0.5 } })
      expect(violation).toBeNull()
      if (lines.some((line) => cut.test(line))) return
    }
    throw new Error('No connection was cut in a transaction.')
  })
})
