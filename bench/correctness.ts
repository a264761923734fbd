import { setTimeout as sleep } from 'node:timers/promises'
import type { DuplicatesAnswered } from './client-channel.js'
import { ClientProcess } from './client-process.js'
import type { Ground } from './ground.js'
import { median } from './statistics.js'
import type { System } from './system.js'

const KEYS = 1000
const DUPLICATES = 10
/** Over which the callers are spread for `inSeveral`. */
const PROCESSES = 2
const WARMING_CALLERS = 32
const WARM_MS = 2_500
/** Duplicates take other ways than single orders, whose code has to be compiled too. */
const WARMING_SERIES = 2
/** One burst lasts a part of a second, which whatever else the machine does may spoil. */
const BURSTS = 5
const BURSTS_MS = 2_000
const IN_FLIGHT = 64
/** How long the service keeps its answer back, so that the worker can be lost in the middle. */
const HELD_MS = 3_000
/** How long the loss of a worker is told to be: its leases, locks or expiries, in whatever the system calls them. */
const LOST_AFTER_MS = 2_000
/** How long the new worker has to do what it does. */
const TAKE_OVER_MS = 25_000

/** What a system did with duplicates, and with what was in flight when its worker was killed. */
export interface Correctness {
  readonly system: string
  /** Calls at the service for 1,000 keys, each asked for by 10 callers at once. 1,000 is right. */
  readonly callsFor1000Keys: number
  readonly duplicateCallersPerSecond: number
  /** Of the 10,000 callers, those who got the receipt, and those who got an error. */
  readonly receipts: number
  readonly errors: number
  /** The same with the callers in two processes; null for what cannot be asked from several. */
  readonly inSeveral: Omit<Together, 'receipts' | 'errors'> | null
  /** Of 64 customers whose payment was in flight, those who were charged twice. 0 is right. */
  readonly chargedTwiceAfterKill: number
}

/** What came of 10,000 callers who asked for 1,000 keys at once: the median of several bursts' speed, and the worst counts. */
interface Together {
  readonly callsFor1000Keys: number
  readonly duplicateCallersPerSecond: number
  readonly receipts: number
  readonly errors: number
}

export async function checkCorrectness(ground: Ground, system: System): Promise<Correctness> {
  const together = await askTogether(ground, system, 1)
  const inSeveral = system.inSeveral === true ? await askTogether(ground, system, PROCESSES) : null
  return {
    system: system.name,
    ...together,
    inSeveral: inSeveral && {
      callsFor1000Keys: inSeveral.callsFor1000Keys,
      duplicateCallersPerSecond: inSeveral.duplicateCallersPerSecond,
    },
    chargedTwiceAfterKill: await killInFlight(ground, system),
  }
}

async function askTogether(ground: Ground, system: System, processes: number): Promise<Together> {
  const place = await ground.fresh(system, 0)
  const clients: ClientProcess[] = []
  try {
    // One after the other: some make their tables when they open.
    for (let i = 0; i < processes; i++) {
      clients.push(await ClientProcess.open({ ...place, callers: 256, lostAfterMs: null }))
    }
    // A process that has just begun would show how fast its code is compiled.
    await Promise.all(clients.map((client) => client.warm(WARMING_CALLERS, WARM_MS)))
    const ask = (series: string): Promise<DuplicatesAnswered[]> =>
      Promise.all(clients.map((client) => client.duplicates(series, KEYS, DUPLICATES / processes)))
    // A queue may still be repeating what its callers have been told of, which would be counted with what comes next.
    if (!system.isQueue) for (let i = 0; i < WARMING_SERIES; i++) await ask(`warm-${i}`)
    const bursts: Together[] = []
    const endMs = performance.now() + BURSTS_MS
    do {
      await ground.service.reset(0)
      const answers = await ask(`twin-${bursts.length}`)
      bursts.push(togetherOf(answers, (await ground.service.tell()).charges))
      // A queue is asked once, for the same reason: the first burst's repeats would hold up the second.
    } while (!system.isQueue && bursts.length < BURSTS && performance.now() < endMs)
    return {
      callsFor1000Keys: Math.max(...bursts.map((each) => each.callsFor1000Keys)),
      duplicateCallersPerSecond: median(bursts.map((each) => each.duplicateCallersPerSecond)),
      receipts: Math.min(...bursts.map((each) => each.receipts)),
      errors: Math.max(...bursts.map((each) => each.errors)),
    }
  } finally {
    await Promise.all(clients.map((client) => client.close()))
    await ground.clear()
  }
}

function togetherOf(answers: readonly DuplicatesAnswered[], callsFor1000Keys: number): Together {
  const tookMs = Math.max(...answers.map((each) => each.tookMs))
  return {
    callsFor1000Keys,
    duplicateCallersPerSecond: ((KEYS * DUPLICATES) / tookMs) * 1000,
    receipts: answers.reduce((sum, each) => sum + each.receipts, 0),
    errors: answers.reduce((sum, each) => sum + each.errors, 0),
  }
}

async function killInFlight(ground: Ground, system: System): Promise<number> {
  const place = await ground.fresh(system, HELD_MS)
  const opening = { ...place, callers: IN_FLIGHT, lostAfterMs: LOST_AFTER_MS }
  const first = await ClientProcess.open(opening)
  const ended = first.fixed(IN_FLIGHT, TAKE_OVER_MS).catch(() => undefined)
  while ((await ground.service.tell()).waiting < IN_FLIGHT) await sleep(5)
  first.kill()
  await ended
  await ground.service.answerAtOnce()
  const second = await ClientProcess.open(opening)
  try {
    if (system.takesOverItself) await untilAllTwice(ground, TAKE_OVER_MS)
    else await second.fixed(IN_FLIGHT, TAKE_OVER_MS)
    return (await ground.service.tell()).twice
  } finally {
    await second.close()
    await ground.clear()
  }
}

/** A system that takes over by itself tells nobody when it has; so it is given its time. */
async function untilAllTwice(ground: Ground, forMs: number): Promise<void> {
  const endMs = performance.now() + forMs
  while (performance.now() < endMs && (await ground.service.tell()).twice < IN_FLIGHT) await sleep(100)
}
