import { playOne } from './run.js'
import type { Scenario } from './scenario.js'

/**
 * The smallest history that still breaks the same invariant: faults, messages, outages and workers are left out one by
 * one, and stay out where it fails without them. What is left is what it takes.
 */
export async function shrink(scenario: Scenario): Promise<Scenario> {
  const first = await playOne(scenario)
  const invariant = first.violation?.invariant
  if (invariant === undefined) return scenario
  let smallest = scenario
  const tryOut = async (smaller: Scenario): Promise<boolean> => {
    const world = await playOne(smaller)
    if (world.violation?.invariant !== invariant) return false
    smallest = smaller
    return true
  }
  for (let before = 0; before !== sizeOf(smallest); ) {
    before = sizeOf(smallest)
    await leaveOutFaults(() => smallest, tryOut)
    for (const smaller of candidates(smallest)) await tryOut(smaller(smallest))
  }
  return smallest
}

/** What is left out of a history by one step of shrinking, if it is still there. */
type Smaller = (scenario: Scenario) => Scenario

function candidates(scenario: Scenario): readonly Smaller[] {
  return [
    ...scenario.messages.map(
      ({ id }): Smaller =>
        (each) =>
          withoutMessage(each, id),
    ),
    ...scenario.messages.map(
      ({ id }): Smaller =>
        (each) =>
          withPlainMessage(each, id),
    ),
    ...scenario.outages.map(
      (outage): Smaller =>
        (each) =>
          withoutOutage(each, outage.atMs),
    ),
    ...scenario.workers.slice(1).map((): Smaller => withoutLastWorker),
    ...scenario.workers.map(
      (_, i): Smaller =>
        (each) =>
          withTrueClock(each, i),
    ),
  ]
}

// A whole half at first, then smaller parts: most faults of a history have nothing to do with its failure.
async function leaveOutFaults(current: () => Scenario, tryOut: (smaller: Scenario) => Promise<boolean>): Promise<void> {
  const { struck } = await playOne(current())
  let left = [...new Set(struck.map(({ id }) => id))]
  for (let part = Math.ceil(left.length / 2); part >= 1; part = part === 1 ? 0 : Math.ceil(part / 2)) {
    for (let from = 0; from < left.length; ) {
      const out = left.slice(from, from + part)
      const scenario = current()
      const works = await tryOut({ ...scenario, without: new Set([...scenario.without, ...out]) })
      if (works) left = left.filter((id) => !out.includes(id))
      else from += part
    }
  }
}

function withoutMessage(scenario: Scenario, id: number): Scenario {
  return { ...scenario, messages: scenario.messages.filter((message) => message.id !== id) }
}

function withPlainMessage(scenario: Scenario, id: number): Scenario {
  const messages = scenario.messages.map((message) =>
    message.id === id ? { ...message, redeliveries: 0, persists: false, notBefore: null } : message,
  )
  return { ...scenario, messages }
}

function withoutOutage(scenario: Scenario, atMs: number): Scenario {
  return { ...scenario, outages: scenario.outages.filter((outage) => outage.atMs !== atMs) }
}

function withoutLastWorker(scenario: Scenario): Scenario {
  if (scenario.workers.length === 1) return scenario
  const workers = scenario.workers.slice(0, -1)
  const messages = scenario.messages.map((message) => ({ ...message, worker: message.worker % workers.length }))
  return { ...scenario, workers, messages }
}

function withTrueClock(scenario: Scenario, i: number): Scenario {
  const workers = scenario.workers.map((worker, at) => (at === i ? { ...worker, rate: 1, wallOffsetMs: 0 } : worker))
  return { ...scenario, workers }
}

function sizeOf({ without, messages, outages, workers }: Scenario): number {
  const plain = messages.filter(
    ({ redeliveries, persists, notBefore }) => redeliveries === 0 && !persists && notBefore === null,
  ).length
  const clocks = workers.filter(({ rate }) => rate === 1).length
  return messages.length * 1_000 + outages.length + workers.length - plain - clocks - without.size * 100_000
}
