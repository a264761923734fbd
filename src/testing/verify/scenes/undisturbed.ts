import { externalIdOf } from '../../../engine/effect.js'
import { prepare } from '../../../engine/prepare.js'
import { ConfigurationError, toJson } from '../../../protocol/index.js'
import { broken, type Check, holds } from '../report.js'
import { messageOf, type Scenery } from '../scene.js'
import type { Stage } from '../stage.js'
import { canFind, honoursKey } from '../subject.js'
import { carries, keyHeaderOf, succeeded } from '../wire.js'
import type { Performed, StageWorker } from '../worker.js'
import { judgeLookUp, lookUp } from './look-up.js'

/** Nothing is broken: what a single call and a single look-up show. `works`: the rest can be looked at. */
export async function undisturbed(
  scenery: Scenery,
): Promise<{ readonly checks: readonly Check[]; readonly works: boolean }> {
  return scenery.play({}, async (stage) => {
    const worker = await stage.worker()
    const stable = await keyIsStable(stage, worker)
    if (stable.verdict === 'broken') return { checks: [stable], works: false }
    const { performing, looked } = await performAndLookUp(scenery, stage, worker)
    const problem = await problemOf(stage, worker, performing)
    if (problem !== null) return { checks: [problem, stable], works: false }
    const [call] = worker.watch.executes()
    const receipt = call?.ended?.ok === true ? call.ended.value : undefined
    const checks = [
      holds('succeeds', 'Without a fault it is made once.'),
      stable,
      sendsReference(scenery, stage),
      hasExternalId(worker, receipt),
      receiptIsJson(receipt),
      ...(await judgeLookUp(scenery, stage, looked)),
    ]
    return { checks, works: true }
  })
}

async function performAndLookUp({ capabilities, subject }: Scenery, stage: Stage, worker: StageWorker) {
  const { real, facts } = subject
  const asking = canFind(capabilities) ? await stage.worker() : null
  const startedMs = real.monotonicMs()
  const performing = worker.perform()
  const atRest = stage.toRest(performing).then(() => {
    facts.callMs = real.monotonicMs() - startedMs
  })
  const acted = worker.gate.until(({ effectful, answer }) => effectful && succeeded(answer))
  const looked = asking === null ? null : lookUp(stage, asking, Promise.race([acted, atRest]))
  await atRest
  return { performing, looked: await looked }
}

async function problemOf(stage: Stage, worker: StageWorker, performing: Promise<Performed>): Promise<Check | null> {
  const { gate, watch } = worker
  const state = (await stage.entry())?.state
  if (gate.requests.length === 0) {
    const [call] = watch.executes()
    const threw = call?.ended?.ok === false ? ` It threw: ${messageOf(call.ended.error)}` : ''
    return broken(
      'succeeds',
      `Your \`execute\` sent nothing to the address that \`effect\` was given.${threw}`,
      'Make the SDK inside `effect`, and point it at `url` (or `host` and `port`), by plain http.',
    )
  }
  if (gate.trouble !== null) {
    const { url } = stage.subject.service
    return broken('succeeds', `The fake at ${url} did not answer: ${messageOf(gate.trouble)}`, 'Start it first.')
  }
  if (state !== 'succeeded') {
    const performed = state === 'failed' || state === 'parked' ? await performing : null
    const why = performed !== null && 'error' in performed ? messageOf(performed.error) : `It is ${state}.`
    const reason = (await stage.entry())?.reason?.message ?? ''
    return broken(
      'succeeds',
      `Without any fault it did not succeed. ${why} ${reason}`.trim(),
      'Give an `input` that the fake accepts, and look at the call first without verify.',
    )
  }
  if (stage.effectful().length === 0) {
    return broken(
      'succeeds',
      'Your `execute` sent no request that could make the effect happen, only GET, HEAD or OPTIONS.',
      'Say by `isEffect` which request it is.',
    )
  }
  const count = await stage.count()
  if (count === 1) return null
  return broken(
    'succeeds',
    `Without any fault the service has it ${count} times under the business key ${JSON.stringify(stage.prepared.intent.key)}.`,
    count === 0
      ? 'Let `count` count by the business key, that is what `key` returns for the input.'
      : 'Look at the requests of one call: see “one request per attempt”.',
  )
}

async function keyIsStable(stage: Stage, worker: StageWorker): Promise<Check> {
  const { namespace, newInput } = stage.subject
  const { intent } = stage.prepared
  const again = await prepare(worker.effect, namespace, stage.input, 1)
  if (again.intent.key !== intent.key) {
    return broken(
      'key_is_stable',
      `Your \`key\` gave ${JSON.stringify(intent.key)} and then ${JSON.stringify(again.intent.key)} for one input: every duplicate would be made again.`,
      'Take the key from the input alone: what must happen once, such as an order id.',
    )
  }
  if (again.intent.fingerprint !== intent.fingerprint) {
    return broken(
      'key_is_stable',
      'Your `fingerprint` differs for one input: a duplicate would be refused as another one under the same key.',
      'Take the fingerprint from the input alone.',
    )
  }
  const other = await prepare(worker.effect, namespace, newInput(), 1)
  if (other.intent.key === intent.key) {
    throw new ConfigurationError('`input` has to give an input with another key for every id that it is given.')
  }
  return holds('key_is_stable', 'One input has one key.')
}

function sendsReference({ capabilities }: Scenery, stage: Stage): Check {
  const { reference } = stage.prepared.intent
  const [request] = stage.effectful()
  const key = request === undefined ? null : keyHeaderOf(request)
  const rests = capabilities.doubt !== 'park'
  if (request !== undefined && carries(request, reference)) {
    if (!honoursKey(capabilities) || key === null || key.value.includes(reference)) {
      return holds('sends_reference', 'Your `execute` sends `call.reference`.')
    }
  }
  const words =
    key === null
      ? 'Your `execute` does not send `call.reference`.'
      : `Your \`execute\` does not send \`call.reference\` as the key: the header ${key.name} is another.`
  const advice = honoursKey(capabilities)
    ? 'Send `call.reference` as the idempotency key: under another, a repeated call is made again.'
    : 'Store `call.reference` at the service (as its reference or metadata), and look by it in `find`.'
  if (rests) return broken('sends_reference', words, advice)
  return holds('sends_reference', `${words} Nothing rests on it here.`, 'Send it, and an audit can tell what is yours.')
}

function hasExternalId({ effect }: StageWorker, receipt: unknown): Check {
  const id = externalIdOf(effect.provider, receipt)
  if (id !== null) return holds('external_id', `The operation is known by the service's own id (${id}).`)
  return broken(
    'external_id',
    'externalId is missing: the receipt has no text `id`, and `externalId` gives none. It could not be undone, or found by an audit.',
    "Give `externalId: (receipt) => …`, the service's own id as text.",
  )
}

function receiptIsJson(receipt: unknown): Check {
  try {
    toJson(receipt, 'receipt')
    return holds('receipt_is_json', 'The receipt comes back from the journal as it was.')
  } catch (error) {
    return broken(
      'receipt_is_json',
      `Your receipt does not survive JSON, as the journal keeps it: ${messageOf(error)}.`,
      'Return a plain object of what you need: the first caller and later ones then get the same.',
    )
  }
}
