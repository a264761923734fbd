import { isDeepStrictEqual } from 'node:util'
import { judge } from '../judge.js'
import { broken, type Check, notChecked } from '../report.js'
import { deferred, first, type Scenery } from '../scene.js'
import { honoursKey } from '../subject.js'

const NEVER = new Promise<void>(() => undefined)

/** The worker dies in the middle of its call; another one, with its own process, has to find out. */
export async function workerLost(scenery: Scenery): Promise<readonly Check[]> {
  return [
    await scenery.play({}, async (stage) => {
      const lost = await stage.worker()
      lost.gate.rule = first({ kind: 'hold', until: NEVER })
      void lost.perform()
      await stage.soon(lost.gate.until(({ effectful }) => effectful))
      await lost.die()
      await stage.toRest((await stage.worker()).perform())
      return judge(scenery, stage, 'worker_lost_before_send', 'The worker died before the service had the request')
    }),
    await scenery.play({}, async (stage) => {
      const lost = await stage.worker()
      lost.gate.rule = first({ kind: 'lose_response' })
      void lost.perform()
      await stage.soon(lost.gate.until(({ answer }) => answer !== null))
      await lost.die()
      await stage.toRest((await stage.worker()).perform())
      return judge(scenery, stage, 'worker_lost_after_send', 'The worker died after the service had acted')
    }),
  ]
}

/** The same effect is asked for by two callers in each of two processes, while the first call is under way. */
export async function duplicateAtOnce(scenery: Scenery): Promise<readonly Check[]> {
  return scenery.play({}, async (stage) => {
    const workers = [await stage.worker(), await stage.worker()]
    const release = deferred()
    const rule = first({ kind: 'hold', until: release.promise })
    for (const { gate } of workers) gate.rule = rule
    const performing = Promise.all(workers.flatMap((worker) => [worker.perform(), worker.perform()]))
    await stage.soon(Promise.race(workers.map(({ gate }) => gate.until(({ effectful }) => effectful))))
    release.resolve()
    await stage.toRest(performing)
    const check = await judge(scenery, stage, 'duplicate_at_once', 'Four callers in two processes asked for it at once')
    if (check.verdict === 'broken') return [check]
    const [one, ...others] = await performing
    if (others.every((other) => isDeepStrictEqual(other, one))) return [check]
    return [
      broken(
        'duplicate_at_once',
        'Callers that asked at once got different receipts.',
        'Return a plain object from `execute`, and the same one for the same operation.',
      ),
    ]
  })
}

/** The key's window is over before the doubt is ended. */
export async function keyExpired(scenery: Scenery): Promise<readonly Check[]> {
  const { capabilities, subject } = scenery
  if (!honoursKey(capabilities) || !('key' in capabilities)) {
    return [notChecked('key_expired', 'The provider declares no `idempotencyKey`.')]
  }
  const { windowMs } = capabilities.key
  return scenery.play({}, async (stage) => {
    const worker = await stage.worker()
    worker.gate.rule = first({ kind: 'lose_response' })
    const performing = worker.perform()
    await stage.soon(worker.watch.until(({ kind, ended }) => kind === 'execute' && ended !== null))
    await stage.untilRecorded()
    await stage.pass(windowMs + 1)
    await subject.service.expireKeys?.()
    await stage.toRest(performing)
    const check = await judge(scenery, stage, 'key_expired', "The response was lost, and the key's window was over")
    const own = ' That the service keeps a key for as long is its own word: no fake can show it.'
    return [check.verdict === 'holds' ? { ...check, words: check.words + own } : check]
  })
}
