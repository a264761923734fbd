import { judge } from '../judge.js'
import type { SeenRequest, WatchedCall } from '../observed.js'
import { broken, type Check, holds, notChecked } from '../report.js'
import { deferred, first, type Scenery, spoken } from '../scene.js'
import type { Stage } from '../stage.js'
import type { StageWorker } from '../worker.js'

/** What the engine gives a call's code after the deadline to stop by itself, and a little for a slow machine. */
const STOP_MS = 400
/** How long to look whether something is sent again, from when the call's code has ended. */
const LOOK_AFTER_MS = 700
/** For as long as that its code may take to notice that its connection is gone, on whatever machine. */
const NOTICE_MS = 5_000

/** The request is held until the client has given up, and reaches the service only then. */
export async function lateCommit(scenery: Scenery): Promise<readonly Check[]> {
  const options = { timeoutMs: scenery.shortTimeoutMs }
  const checks = await scenery.play(options, (stage) => commitLate(scenery, stage))
  if (scenery.capabilities.doubt !== 'key_and_find') return checks
  // The same doubt, ended by the look-up alone.
  const byFind = await scenery.play({ ...options, byFindAlone: true }, (stage) => commitLate(scenery, stage))
  return checks.map((check) =>
    check.verdict === 'broken'
      ? check
      : (byFind.find(({ name, verdict }) => name === check.name && verdict === 'broken') ?? check),
  )
}

async function commitLate(scenery: Scenery, stage: Stage): Promise<readonly Check[]> {
  const worker = await stage.worker()
  const release = deferred()
  worker.gate.rule = first({ kind: 'hold', until: release.promise })
  const performing = worker.perform()
  const held = await stage.soon(worker.gate.until(({ effectful }) => effectful))
  const call = held?.during ?? null
  if (held === null || call === null) {
    const unseen = 'Your `execute` sent no request this time.'
    return [notChecked('late_commit', unseen), notChecked('stops_at_deadline', unseen)]
  }
  const stopped = await meetDeadline(stage, worker, held, call)
  const goneAtMs = stage.clock.monotonicMs()
  if (worker.effect.capabilities.doubt === 'find') await stage.passUntil(goneAtMs + latenessMs(scenery, worker))
  else await stage.toRest(performing)
  release.resolve()
  await stage.soon(worker.gate.until((request) => request === held && request.answer !== null))
  await stage.toRest(performing)
  return [await judge(scenery, stage, 'late_commit', 'The request took effect after the client had given up'), stopped]
}

/** Late, but not so late that the declared `settlesWithin` would be over before the look-up can show it. */
function latenessMs({ subject }: Scenery, { effect }: StageWorker): number {
  const settlesWithinMs = 'find' in effect.capabilities ? effect.capabilities.find.settlesWithinMs : 0
  return Math.max(0, (settlesWithinMs - 1.5 * subject.facts.lagMs) / 2)
}

/** Lets the deadline of a held call come, in real time, and looks at what its function does then. */
async function meetDeadline(stage: Stage, worker: StageWorker, held: SeenRequest, call: WatchedCall): Promise<Check> {
  const { real } = stage.subject
  stage.clock.flow()
  await Promise.race([aborted(call.call.signal), call.done])
  // The engine's time stands from here on: a look-up that had begun would be taken for the sender of what comes late.
  stage.clock.freeze()
  await Promise.race([call.done, real.sleep(STOP_MS)])
  const ended = call.ended !== null
  const connected = !held.clientGone
  await stage.untilRecorded()
  // Whoever has retries of its own sends again now.
  worker.gate.cut(held)
  const isLate = (request: SeenRequest): boolean => request.late && request.during === call
  if (!ended || connected) {
    const quiet = call.done.then(() => real.sleep(LOOK_AFTER_MS))
    await Promise.race([worker.gate.until(isLate), quiet, real.sleep(NOTICE_MS)])
  }
  const late = worker.gate.requests.filter(isLate)
  if (late.length > 0) {
    return broken(
      'stops_at_deadline',
      `Your \`execute\` went on sending after the deadline: ${late.length} more request(s), after \`call.signal\` had aborted.`,
      'Pass `call.signal` to whatever sends, and turn off its retries: nothing may be sent after it.',
    )
  }
  if (!ended) {
    return broken(
      'stops_at_deadline',
      `Your \`execute\` still waited ${spoken(STOP_MS)} after \`call.signal\` had aborted.`,
      'Pass `call.signal` to whatever sends (fetch: `{ signal: call.signal }`), or `call.remainingMs()` as its timeout.',
    )
  }
  return await sendsNothingTooLate(stage, worker)
}

/** Called when its time is over already, as after a long pause of the process. */
async function sendsNothingTooLate(stage: Stage, worker: StageWorker): Promise<Check> {
  const { real } = stage.subject
  const before = worker.gate.requests.length
  const call = await stage.directCall(AbortSignal.abort(new DOMException('Over.', 'TimeoutError')), 0)
  const executing = worker.effect.provider.execute(stage.prepared.input, call).catch(() => undefined)
  await Promise.race([executing, real.sleep(STOP_MS)])
  const sent = worker.gate.requests.slice(before).filter(({ effectful }) => effectful)
  if (sent.length === 0)
    return holds('stops_at_deadline', 'Your `execute` stops at the deadline, and sends nothing after it.')
  return broken(
    'stops_at_deadline',
    'Your `execute` sent the request though `call.signal` had aborted before.',
    'Pass `call.signal` to whatever sends; where that takes none, throw `NotExecuted` if `call.remainingMs()` is 0.',
  )
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
