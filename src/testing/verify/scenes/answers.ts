import type { Rule } from '../gate.js'
import { judge } from '../judge.js'
import { broken, type Check, type CheckName, holds, notChecked } from '../report.js'
import { first, messageOf, type Scenery, wholeFirstCall } from '../scene.js'
import type { Stage } from '../stage.js'
import { canFind, honoursKey } from '../subject.js'
import { carries, differences, identityOf, keyHeaderOf, succeeded } from '../wire.js'

/** Performs on a fresh stage with one rule at the proxy, to rest. */
async function performUnder(stage: Stage, rule: Rule): Promise<void> {
  const worker = await stage.worker()
  worker.gate.rule = rule
  await stage.toRest(worker.perform())
}

/** Before the send: the port refuses the connection, and then accepts it. */
export async function connectionRefused(scenery: Scenery): Promise<readonly Check[]> {
  return scenery.play({}, async (stage) => {
    const worker = await stage.worker()
    await worker.gate.refuse()
    const performing = worker.perform()
    const call = await Promise.race([
      worker.watch.until(({ kind, ended }) => kind === 'execute' && ended !== null),
      stage.toRest(performing).then(() => null),
    ])
    await worker.gate.accept()
    await stage.toRest(performing)
    const check = await judge(scenery, stage, 'connection_refused', 'The connection was refused before the send')
    if (check.verdict !== 'holds' || check.advice !== null || call?.outcome !== 'unknown') return [check]
    const said = call.ended?.ok === false ? messageOf(call.ended.error) : ''
    const words = `${check.words} But your \`execute\` did not say that nothing had been sent (${said}), so it was taken for a doubt.`
    return [holds('connection_refused', words, 'Keep the error of the connection as `cause`, or throw `NotExecuted`.')]
  })
}

/** After the send: the answer is lost. It also shows what a repeated call looks like, and what the service makes of it. */
export async function responseLost(scenery: Scenery): Promise<readonly Check[]> {
  return scenery.play({}, async (stage) => {
    await performUnder(stage, first({ kind: 'lose_response' }))
    return [
      await judge(scenery, stage, 'response_lost', 'The response was lost after the service had acted'),
      sameRequestAgain(scenery, stage),
      await keyHonoured(scenery, stage),
    ]
  })
}

/** The first request of every attempt that would make the effect happen. */
function firstOfEach(stage: Stage) {
  return stage.executes().flatMap(({ requests }) => requests.filter(({ effectful }) => effectful).slice(0, 1))
}

function sameRequestAgain({ capabilities }: Scenery, stage: Stage): Check {
  const name = 'same_request_again'
  if (!honoursKey(capabilities)) return notChecked(name, 'The provider declares no `idempotencyKey`.')
  const [one, other] = firstOfEach(stage)
  if (one === undefined || other === undefined) return notChecked(name, 'No call was repeated.')
  const different = differences(one, other)
  if (different.length === 0) return holds(name, 'A repeated call sends the same as the first.')
  const where = different.join(', ')
  return broken(
    name,
    `A repeated call of your \`execute\` differs from the first in ${where}. Services refuse a key that comes with other parameters, or make it again.`,
    'Make the request of the input and `call.reference` alone: no time, no random number, no `call.attempt`.',
  )
}

async function keyHonoured({ capabilities }: Scenery, stage: Stage): Promise<Check> {
  const name = 'honours_key'
  if (!honoursKey(capabilities)) return notChecked(name, 'The provider declares no `idempotencyKey`.')
  const [one, other] = firstOfEach(stage)
  if (one === undefined || other === undefined) return notChecked(name, 'No call was repeated.')
  const { reference } = stage.prepared.intent
  const key = keyHeaderOf(one)
  if (!carries(one, reference) || (key !== null && !key.value.includes(reference))) {
    return notChecked(name, 'Your `execute` has to send `call.reference` as the key first.')
  }
  if (key !== null && keyHeaderOf(other)?.value !== key.value) {
    return notChecked(name, 'Your `execute` has to send the same key in a repeated call first.')
  }
  const again = 'A replay under the same key gave another result: this service does not honour the key as declared.'
  const advice =
    'Do not declare `idempotencyKey` for this service, or send the key where it looks for it. Without it, `find` or `park` ends a doubt.'
  if ((await stage.count()) > 1) return broken(name, again, advice)
  if (!succeeded(one.answer)) return notChecked(name, 'The first call did not succeed at the service.')
  const status = other.answer?.status ?? 'nothing'
  if (!succeeded(other.answer)) {
    return broken(name, `A replay under the same key was answered with ${status}, not with the first result.`, advice)
  }
  const [before, after] = [identityOf(one.answer), identityOf(other.answer)]
  return before.by === 'id' && before.value !== after.value
    ? broken(name, again, advice)
    : holds(name, 'A replay under the same key gives the first result.')
}

export async function responseTruncated(scenery: Scenery): Promise<readonly Check[]> {
  return scenery.play({}, async (stage) => {
    await performUnder(stage, first({ kind: 'truncate' }))
    return [await judge(scenery, stage, 'response_truncated', 'The response broke off after the service had acted')]
  })
}

/** A 500 says nothing: here before the service has acted, and there after. */
export async function serverErrors(scenery: Scenery): Promise<readonly Check[]> {
  const scene = (name: CheckName, executed: boolean, what: string) =>
    scenery.play({}, async (stage) => {
      await performUnder(stage, first({ kind: 'answer', status: 500, executed }))
      return judge(scenery, stage, name, what)
    })
  return [
    await scene('error_before_effect', false, 'A 500 came, and the service had not acted'),
    await scene('error_after_effect', true, 'A 500 came, though the service had acted'),
  ]
}

/** The answer of a second request says nothing of the first: so none may be followed. */
export async function redirected(scenery: Scenery): Promise<readonly Check[]> {
  return scenery.play({}, async (stage) => {
    await performUnder(stage, first({ kind: 'answer', status: 303, location: '/redirected-by-verify', executed: true }))
    const followed = stage.requests().some(({ path }) => path.includes('/redirected-by-verify'))
    if (!followed) return [holds('follows_no_redirect', 'Your `execute` follows no redirect.')]
    return [
      broken(
        'follows_no_redirect',
        'Your `execute` followed a redirect: if the second request fails to connect, the first is taken for not executed.',
        "Turn it off (fetch: `redirect: 'error'`; axios: `maxRedirects: 0`).",
      ),
    ]
  })
}

/** Nothing was made: what does the look-up say then? */
export async function absence(scenery: Scenery): Promise<readonly Check[]> {
  const name = 'find_proves_absence'
  if (!canFind(scenery.capabilities)) return [notChecked(name, 'The provider has no `find`.')]
  return scenery.play({ byFindAlone: true }, async (stage) => {
    await performUnder(stage, wholeFirstCall({ kind: 'reset' }))
    const [call] = stage.finds()
    if (call?.ended == null) return [notChecked(name, 'There was no doubt to end: `find` was not called.')]
    const { ended } = call
    if (!ended.ok) {
      return [
        broken(
          name,
          `Your \`find\` throws when there is nothing: absence is never proven. It threw: ${messageOf(ended.error)}`,
          'Return null for the answer by which the service says that it has none (a 404, an empty list).',
        ),
      ]
    }
    if (ended.value === undefined) {
      return [
        broken(
          name,
          'Your `find` returns undefined, not null: absence is never proven.',
          'Return null where there is none: `return found ?? null`.',
        ),
      ]
    }
    if (ended.value !== null) {
      return [
        broken(
          name,
          'Your `find` returns something though nothing was made for the reference.',
          'Return only the operation that has `call.reference`, and null where there is none.',
        ),
      ]
    }
    const check = await judge(scenery, stage, name, 'The request was lost before the service had it')
    return [
      check.verdict === 'holds'
        ? holds(name, `Your \`find\` returns null when there is nothing. ${check.words}`)
        : check,
    ]
  })
}

/** The look-up cannot be asked: first it is answered with a 500, then its connection is cut. */
export async function lookUpFails(scenery: Scenery): Promise<readonly Check[]> {
  const name = 'find_tells_failure'
  if (!canFind(scenery.capabilities)) return [notChecked(name, 'The provider has no `find`.')]
  return scenery.play({ byFindAlone: true }, async (stage) => {
    const worker = await stage.worker()
    const lost = first({ kind: 'lose_response' })
    worker.gate.rule = (request) => {
      if (request.during?.kind !== 'find') return lost(request)
      switch (worker.watch.finds().indexOf(request.during)) {
        case 0:
          return { kind: 'answer', status: 500, executed: false }
        case 1:
          return { kind: 'reset' }
        default:
          return { kind: 'pass' }
      }
    }
    await stage.toRest(worker.perform())
    const failed = worker.watch.finds().slice(0, 2)
    if (failed.length === 0) return [notChecked(name, 'There was no doubt to end: `find` was not called.')]
    if (failed.every(({ requests }) => requests.length === 0)) {
      return [notChecked(name, 'Your `find` sent nothing to the proxy, so it could not be made to fail.')]
    }
    for (const [i, how] of ['a 500', 'a cut connection'].entries()) {
      const ended = failed[i]?.ended
      if (ended?.ok !== true || ended.value === undefined) continue
      const advice = 'Throw whenever the service did not answer the question: then it is asked again (P5).'
      if (ended.value !== null) {
        return [broken(name, `Your \`find\` takes ${how} for the operation: it returned something.`, advice)]
      }
      return [broken(name, `Your \`find\` takes a failed look-up (${how}) for an absence: it returned null.`, advice)]
    }
    return [await judge(scenery, stage, name, 'The look-up failed, and was asked again')]
  })
}
