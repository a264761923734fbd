import { ConfigurationError } from '../../protocol/index.js'
import { type Clock, realClock } from '../../system/index.js'
import { oneRequestPerAttempt } from './attempts.js'
import { type Check, type CheckName, notChecked, type VerifyReport } from './report.js'
import { type Scene, Scenery } from './scene.js'
import {
  absence,
  connectionRefused,
  lookUpFails,
  redirected,
  responseLost,
  responseTruncated,
  serverErrors,
} from './scenes/answers.js'
import { lateCommit } from './scenes/late.js'
import { undisturbed } from './scenes/undisturbed.js'
import { duplicateAtOnce, keyExpired, workerLost } from './scenes/workers.js'
import { subjectOf } from './subject.js'
import {
  type EffectVerification,
  type FakeService,
  type ServiceAddress,
  type ServiceSource,
  startService,
  type VerificationRun,
  type VerificationSpec,
  type VerifyOptions,
} from './verification.js'

const SCENES: readonly Scene[] = [
  connectionRefused,
  responseLost,
  responseTruncated,
  serverErrors,
  redirected,
  absence,
  lookUpFails,
  lateCommit,
  workerLost,
  duplicateAtOnce,
  keyExpired,
]

const NAMES: readonly CheckName[] = [
  'succeeds',
  'key_is_stable',
  'sends_reference',
  'external_id',
  'receipt_is_json',
  'find_sees',
  'settles_within',
  'connection_refused',
  'response_lost',
  'same_request_again',
  'honours_key',
  'response_truncated',
  'error_before_effect',
  'error_after_effect',
  'follows_no_redirect',
  'find_proves_absence',
  'find_tells_failure',
  'late_commit',
  'stops_at_deadline',
  'worker_lost_before_send',
  'worker_lost_after_send',
  'duplicate_at_once',
  'key_expired',
]

/**
 * Learns whether your integration can make an effect happen twice: drives the production engine with your own effect
 * against a fake of the service, through a proxy that breaks one thing at a time, and compares what the entry says with
 * what the fake has.
 *
 * `effect` makes your effect with its SDK pointed at the given address. It takes seconds: waits are skipped, on a clock
 * and a journal of its own. What it looks at is in docs/verify.md.
 *
 * @throws {ConfigurationError} the effect or the options make no sense.
 * @throws {TypeError} the fake's url is none.
 */
export async function verifyEffect<Input>(
  effect: EffectVerification<Input>['effect'],
  options: VerifyOptions<Input>,
): Promise<VerifyReport> {
  const service = await startService(options.service)
  try {
    return await verifyAt({ ...options, effect }, service, realClock)
  } finally {
    if (typeof options.service === 'function') await service.close?.()
  }
}

/** A set of effects that can be verified: what a module for `counterfoil verify` exports by default. */
export interface Verification {
  /**
   * Verifies the effects, one after the other.
   *
   * @throws {ConfigurationError} none of them has a name that was asked for, or one makes no sense.
   */
  run(options?: VerificationRun): Promise<readonly VerifyReport[]>
}

/**
 * Describes what `counterfoil verify` is to verify, with types:
 *
 * ```ts
 * export default defineVerification({
 *   service: 'http://127.0.0.1:4010',
 *   effects: [{ effect: ({ url }) => bookParcel(new Carrier(url)), input: (id) => ({ id, kilos: 2 }) }],
 * })
 * ```
 */
export function defineVerification<const Inputs extends readonly unknown[]>(
  spec: VerificationSpec<Inputs>,
): Verification & VerificationSpec<Inputs> {
  // A tuple of effects, each with its input's type; from here on nobody asks for it.
  const effects: unknown = spec.effects
  const { service } = spec
  return {
    ...spec,
    run: (options = {}) => runAll({ service, effects: effects as readonly AnyVerification[] }, options),
  }
}

async function runAll(
  spec: { readonly service: ServiceSource; readonly effects: readonly AnyVerification[] },
  { only, onReport }: VerificationRun,
): Promise<VerifyReport[]> {
  const service = await startService(spec.service)
  try {
    const wanted = await named(spec.effects, service, only)
    const reports: VerifyReport[] = []
    for (const verification of wanted) {
      const report = await verifyAt(verification, service, realClock)
      onReport?.(report)
      reports.push(report)
    }
    return reports
  } finally {
    if (typeof spec.service === 'function') await service.close?.()
  }
}

type AnyVerification = EffectVerification<unknown>

async function named(
  effects: readonly AnyVerification[],
  service: FakeService,
  only: readonly string[] | undefined,
): Promise<readonly AnyVerification[]> {
  if (effects.length === 0) throw new ConfigurationError('`effects` is empty: there is nothing to verify.')
  if (only === undefined) return effects
  const at = addressOf(service)
  const all = await Promise.all(effects.map(async (each) => ({ each, name: (await each.effect(at)).name })))
  const missing = only.filter((name) => !all.some((one) => one.name === name))
  if (missing.length > 0) {
    const names = all.map(({ name }) => name).join(', ')
    throw new ConfigurationError(`There is no effect ${missing.join(', ')}. There are: ${names}.`)
  }
  return all.filter(({ name }) => only.includes(name)).map(({ each }) => each)
}

/** The fake itself: to learn of an effect what it declares, nothing is sent. */
function addressOf({ url }: FakeService): ServiceAddress {
  const { protocol, hostname, port } = new URL(url)
  return { url: url.replace(/\/$/, ''), host: hostname, port: Number(port || (protocol === 'https:' ? 443 : 80)) }
}

async function verifyAt<Input>(
  verification: EffectVerification<Input>,
  service: FakeService,
  real: Clock,
): Promise<VerifyReport> {
  const subject = subjectOf(verification, service, real)
  const { name, capabilities } = await subject.effectAt(addressOf(service))
  const checks = await play(new Scenery(subject, capabilities))
  return {
    effect: name,
    ok: checks.every(({ verdict }) => verdict !== 'broken'),
    countedBy: service.count === undefined ? 'answers' : 'books',
    checks,
  }
}

async function play(scenery: Scenery): Promise<readonly Check[]> {
  const { checks, works } = await undisturbed(scenery)
  if (!works) {
    const seen = [...checks, oneRequestPerAttempt(scenery)]
    const rest = NAMES.filter((name) => !seen.some((check) => check.name === name))
    return [...seen, ...rest.map((name) => notChecked(name, 'It has to succeed without a fault first.'))]
  }
  const all = [...checks]
  for (const scene of SCENES) all.push(...(await scene(scenery)))
  return [...all, oneRequestPerAttempt(scenery)]
}
