import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { FAULTS } from './faults/index.js'
import type { Result } from './result.js'
import { runLab } from './run.js'
import { STRATEGIES } from './strategies/index.js'

/** Cells that stand for the others: each fault once at least, and each way in which a strategy can end. */
const SAMPLE: readonly (readonly [strategy: string, gateway: string, fault: string])[] = [
  ['naive', 'none', 'none'],
  ['naive', 'none', 'duplicate-delivery'],
  ['inbox', 'none', 'two-messages'],
  ['row-lock', 'none', 'response-lost'],
  ['pre-check', 'lookup', 'late-commit'],
  ['pre-check', 'lookup', 'lagging-lookup'],
  ['outbox', 'none', 'frozen'],
  ['outbox-audit', 'none', 'killed'],
  ['idempotency-key', 'keys', 'killed'],
  ['idempotency-key', 'keys', 'pruned-key'],
  ['naive', 'none', 'database-restart'],
  ['counterfoil', 'keys', 'pruned-key'],
  ['counterfoil', 'keys', 'database-restart'],
  ['counterfoil', 'lookup', 'late-commit'],
  ['counterfoil', 'lookup', 'frozen'],
  ['counterfoil', 'none', 'two-messages'],
  ['counterfoil', 'none', 'killed'],
]

describe('the lab', () => {
  let results: readonly Result[] = []

  beforeAll(async () => {
    const cells = SAMPLE.map(([strategyName, gateway, faultName]) => {
      const strategy = STRATEGIES.find((each) => each.name === strategyName && each.gateway === gateway)
      const fault = FAULTS.find((each) => each.name === faultName)
      if (strategy === undefined || fault === undefined)
        throw new Error(`There is no ${strategyName} under ${faultName}.`)
      return { strategy, fault, orders: 24, seed: 7 }
    })
    const signal = new AbortController().signal
    results = await runLab({ cells, redisUrl: 'redis://127.0.0.1:6379', lanes: 3, signal }, () => undefined)
  }, 180_000)

  it.each(SAMPLE)('shows what theory expects: %s (%s) under %s', (strategy, gateway, fault) => {
    const result = results.find(
      (each) => each.strategy === strategy && each.gateway === gateway && each.fault === fault,
    )
    expect(result, JSON.stringify(result)).toMatchObject({ asPredicted: true, observed: { crashes: 0 } })
  })

  it('strikes every order that it sets out to strike', () => {
    const twice = (fault: string) => results.find((each) => each.fault === fault)?.observed?.chargedTwice
    expect(twice('duplicate-delivery')).toBe(6)
    expect(twice('two-messages')).toBe(6)
    expect(twice('response-lost')).toBe(6)
  })
})

describe('the command', () => {
  const program = fileURLToPath(new URL('./main.ts', import.meta.url))

  async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const child = spawn(process.execPath, ['--import', 'tsx', program, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [out, err] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text
    })
    const [code] = await once(child, 'close')
    return { code, out, err }
  }

  it('says how to get a Redis where there is none, runs the rest, and ends well', async () => {
    const { code, out } = await run(['--strategy', 'redis-lock', '--fault', 'none', '--orders', '4'], {
      REDIS_URL: 'redis://127.0.0.1:1',
    })
    expect(out).toContain('apt-get install redis-server')
    expect(out).toMatch(/- none/)
    expect(code).toBe(0)
  }, 30_000)

  it('ends with an error for what it does not know', async () => {
    const { code, err } = await run(['--strategy', 'hope'])
    expect(code).toBe(2)
    expect(err).toContain('There is no strategy "hope"')
  }, 30_000)
})
