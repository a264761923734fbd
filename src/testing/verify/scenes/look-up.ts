import { externalIdOf } from '../../../engine/effect.js'
import type { Entry } from '../../../protocol/index.js'
import type { Ended } from '../observed.js'
import { broken, type Check, holds, notChecked } from '../report.js'
import { messageOf, type Scenery, spoken } from '../scene.js'
import type { Stage } from '../stage.js'
import type { StageWorker } from '../worker.js'

/** How often to ask again, in real time. */
const ASK_AGAIN_MS = 20
/** One look-up of a fake that takes longer hangs. */
const LONGEST_ASK_MS = 10_000

interface Looked {
  readonly ended: Ended
  /** For how long, in real time, it was surely absent; 0 where it never was. */
  readonly absentForMs: number
  /** When, in real time, it was surely present. */
  readonly seenAfterMs: number
}

/**
 * Asks the look-up, from the moment when the service has acted and until it shows: its lag, and whether it is the same
 * operation. A worker of its own asks, while the first is still at it.
 */
export async function lookUp(stage: Stage, asking: StageWorker, acted: Promise<unknown>): Promise<Looked> {
  const { real, patienceMs } = stage.subject
  await acted
  const startedMs = real.monotonicMs()
  let absentForMs = 0
  for (;;) {
    const askedMs = real.monotonicMs()
    const ended = await ask(stage, asking)
    const seenAfterMs = real.monotonicMs() - startedMs
    if (!ended.ok || ended.value !== null) return { ended, absentForMs, seenAfterMs }
    absentForMs = askedMs - startedMs
    if (absentForMs > patienceMs) return { ended, absentForMs, seenAfterMs }
    await real.sleep(ASK_AGAIN_MS)
  }
}

/** What the look-up showed, beside what `execute` returned. */
export async function judgeLookUp(scenery: Scenery, stage: Stage, looked: Looked | null): Promise<Check[]> {
  const { capabilities, subject } = scenery
  const entry = await stage.entry()
  if (!('find' in capabilities) || entry === null || looked === null) {
    const none = 'The provider has no `find`.'
    return [notChecked('find_sees', none), notChecked('settles_within', none)]
  }
  const seen = judgeSeen(entry, looked, stage)
  if (seen.verdict === 'broken') {
    return [seen, notChecked('settles_within', 'Your `find` has to see what was made first.')]
  }
  // From here on no time passes faster than this look-up surely follows.
  subject.facts.lagMs = looked.seenAfterMs
  return [seen, settlesWithin(looked.absentForMs, capabilities.find.settlesWithinMs)]
}

const WHAT_IT_COVERS =
  'Take the longest lag that the real service may have, and add what the network may still deliver late.'

function settlesWithin(lagMs: number, declaredMs: number): Check {
  if (declaredMs === 0) {
    const words = '`settlesWithin` is 0, but a call that was given up may take effect after that.'
    return broken('settles_within', words, WHAT_IT_COVERS)
  }
  if (lagMs > declaredMs) {
    return broken(
      'settles_within',
      `Your \`find\` returns null for ${spoken(lagMs)} after the call: set \`settlesWithin\` above it (it is ${spoken(declaredMs)}).`,
      WHAT_IT_COVERS,
    )
  }
  const words = lagMs === 0 ? 'shows it at once' : `shows it after ${spoken(lagMs)}`
  return holds('settles_within', `Your \`find\` ${words}, and \`settlesWithin\` is ${spoken(declaredMs)}.`)
}

async function ask(stage: Stage, worker: StageWorker): Promise<Ended> {
  const { real } = stage.subject
  const over = new AbortController()
  const disarm = real.schedule(LONGEST_ASK_MS, () => over.abort(new DOMException('Over.', 'TimeoutError')))
  try {
    const call = await stage.directCall(over.signal, LONGEST_ASK_MS)
    return { ok: true, value: await worker.effect.provider.find?.(stage.prepared.input, call) }
  } catch (error) {
    return { ok: false, error }
  } finally {
    disarm()
  }
}

function judgeSeen(entry: Entry, { ended, absentForMs }: Looked, stage: Stage): Check {
  if (!ended.ok) {
    return broken(
      'find_sees',
      `Your \`find\` throws for what was just made: ${messageOf(ended.error)}`,
      'Let `find` return what has `call.reference`. While it throws, a doubt never ends.',
    )
  }
  if (ended.value === undefined) {
    return broken(
      'find_sees',
      'Your `find` returns undefined, not what was just made.',
      'Return the operation that has `call.reference`, and null where there is none.',
    )
  }
  if (ended.value === null) {
    return broken(
      'find_sees',
      `Your \`find\` returned null for ${spoken(absentForMs)} after the call: a doubt would be taken for an absence, and made again.`,
      'Look by `call.reference`, where `execute` stores it. If the fake lags for longer, raise `patience`.',
    )
  }
  const [worker] = stage.workers
  const found = worker === undefined ? null : externalIdOf(worker.effect.provider, ended.value)
  if (found !== entry.externalId) {
    return broken(
      'find_sees',
      `Your \`find\` gives the external id ${found ?? 'null'}, and \`execute\` gave ${entry.externalId ?? 'null'}.`,
      'Let `find` return a receipt like that of `execute`, of the operation that has `call.reference`.',
    )
  }
  return holds('find_sees', 'Your `find` sees what `execute` has made.')
}
