import type { Entry } from '../../protocol/index.js'
import { broken, type Check, type CheckName, holds } from './report.js'
import { messageOf, type Scenery } from './scene.js'
import type { Stage } from './stage.js'
import { canFind, honoursKey } from './subject.js'
import { carries, keyHeaderOf, succeeded } from './wire.js'

/**
 * The verdict on a break, on the world's truth: it happened at most once, and the entry says of it what is true.
 *
 * @param what what was broken, as the beginning of a sentence.
 */
export async function judge(scenery: Scenery, stage: Stage, name: CheckName, what: string): Promise<Check> {
  const [count, entry] = [await stage.count(), await stage.entry()]
  return { ...judged(scenery, stage, { count, entry }, name, what), made: count }
}

interface AtRest {
  readonly count: number
  readonly entry: Entry | null
}

function judged(scenery: Scenery, stage: Stage, { count, entry }: AtRest, name: CheckName, what: string): Check {
  if (count > 1) return broken(name, `${what}: it was made ${count} times for one key.`, whyTwice(stage))
  switch (entry?.state) {
    case 'succeeded':
      return count === 1 ? holds(name, `${what}: it was made once.`) : believedInVain(stage, name, what)
    case 'failed':
      return judgeFailed(entry, count, name, what)
    case 'parked':
      return judgeParked(scenery, stage, { count, entry }, name, what)
    default:
      return broken(
        name,
        `${what}: it did not come to rest (${entry?.state ?? 'it did not begin'}).`,
        'Look for what your `execute` or `find` waits for: it has to end when `call.signal` aborts.',
      )
  }
}

function believedInVain(stage: Stage, name: CheckName, what: string): Check {
  const last = [...stage.executes(), ...stage.finds()].filter(({ ended }) => ended?.ok === true && ended.value !== null)
  const kind = last.at(-1)?.kind ?? 'execute'
  return broken(
    name,
    `${what}: your \`${kind}\` returned a receipt, but the service has made nothing.`,
    kind === 'execute'
      ? 'Look at the status of the answer before you return it, and throw for every one that is not a success.'
      : 'Return only the operation that has `call.reference`; throw for every answer that is not one.',
  )
}

function judgeFailed(entry: Entry, count: number, name: CheckName, what: string): Check {
  const said = `${entry.reason?.message ?? 'rejected'} (${entry.reason?.code ?? 'rejected'})`
  if (count > 0) {
    return broken(
      name,
      `${what}: your \`execute\` said that it was rejected, but the service has made it. It said: ${said}`,
      'Throw `Rejected` only for an answer by which the service refuses it. A lost, cut or failed answer proves nothing: throw `OutcomeUnknown`, or let the error through.',
    )
  }
  return holds(
    name,
    `${what}: it was taken for rejected and was not made. It said: ${said}`,
    'A passing trouble ended the effect for good. Throw `NotExecuted` where nothing was done, or `OutcomeUnknown`, and it is tried again when that is safe.',
  )
}

/** Parked where the service has a way out of doubt, for no reason that such a service may have. */
function judgeParked(scenery: Scenery, stage: Stage, { count, entry }: AtRest, name: CheckName, what: string): Check {
  const { capabilities } = scenery
  const code = entry?.reason?.code ?? ''
  const times = count === 0 ? 'it was not made' : 'it was made once'
  const needless =
    code === 'find_keeps_failing' || (code === 'attempts_exhausted' && capabilities.limits.maxAttempts > 2)
  if (needless && (canFind(capabilities) || honoursKey(capabilities))) {
    return broken(
      name,
      `${what}: the doubt never ended, and it is parked. ${entry?.reason?.message ?? ''}`,
      whyStuck(stage),
    )
  }
  return holds(name, `${what}: ${times}, and it is parked for a person or an audit (${code}).`)
}

/** What kept the doubt from ending, though nothing was in the way any more. */
function whyStuck(stage: Stage): string {
  const last = (stage.finds().at(-1) ?? stage.executes().at(-1))?.ended
  if (last?.ok === false) return `Nothing was in the way any more, but your code threw: ${messageOf(last.error)}`
  return last?.value === undefined
    ? 'Your `find` returned undefined, not null: return null where there is none.'
    : 'Nothing was in the way any more. Look at what your `execute` and `find` do after such a break.'
}

/** The likeliest reason for a second operation, by what was seen. */
function whyTwice(stage: Stage): string {
  const executes = stage.executes()
  const resent = executes.find(({ requests }) => requests.filter(({ effectful }) => effectful).length > 1)
  if (resent !== undefined) return 'One attempt sent it more than once: turn off the retries of your SDK or your own.'
  const denied = executes.find(
    ({ outcome, requests }) =>
      (outcome === 'not_executed' || outcome === 'rejected') && requests.some(({ answer }) => succeeded(answer)),
  )
  if (denied !== undefined) {
    const said = denied.ended?.ok === false ? ` It threw: ${messageOf(denied.ended.error)}` : ''
    return `Your \`execute\` said that nothing had happened (${denied.outcome}), though it had. Only a failure to connect, or an answer that says so, proves that.${said}`
  }
  const unnamed = stage.effectful().some((request) => !carries(request, stage.prepared.intent.reference))
  if (unnamed) return 'Send `call.reference` as the idempotency key, and store it at the service as our reference.'
  const keys = new Set(stage.effectful().map((request) => keyHeaderOf(request)?.value))
  if (keys.size > 1) return 'A repeated call went under another key: send `call.reference` alone, which stays the same.'
  const wronglyAbsent = stage.finds().some(({ ended }) => ended?.ok === true && ended.value === null)
  if (wronglyAbsent) {
    return 'Your `find` returned null for something that was made: set `settlesWithin` above its lag, and look by `call.reference`.'
  }
  return 'The service made it again under the same key: do not declare `idempotencyKey`, or send the key where the service looks for it.'
}
