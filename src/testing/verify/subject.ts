import type { RuntimeEffect } from '../../engine/index.js'
import { type Capabilities, ConfigurationError, toMs } from '../../protocol/index.js'
import { type Clock, realRandomness } from '../../system/index.js'
import type { WireRequest } from './observed.js'
import type { EffectVerification, FakeService, ServiceAddress } from './verification.js'

/** What was learned of the fake before it is broken, in real time. */
export interface Facts {
  /** How long one undisturbed call took. */
  callMs: number
  /** How long its look-up did not show what had been done. */
  lagMs: number
}

/** The effect under verification: what every scene begins from. */
export interface Subject {
  readonly service: FakeService
  readonly real: Clock
  readonly namespace: string
  readonly patienceMs: number
  readonly isEffect: (request: WireRequest) => boolean
  /** Without `settled` and `serializeBy`, which are the engine's matter and need the user's database. */
  readonly effectAt: (at: ServiceAddress) => Promise<RuntimeEffect<never>>
  /** A new input, with a key that was not used before. */
  readonly newInput: () => unknown
  readonly facts: Facts
}

const QUESTIONS = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Makes the subject of a user's description. Nothing is sent yet. */
export function subjectOf<Input>(verification: EffectVerification<Input>, service: FakeService, real: Clock): Subject {
  const run = realRandomness.token().replace(/\W|_/g, '').slice(0, 8).toLowerCase()
  let inputs = 0
  return {
    service,
    real,
    // A fake that outlives us must not know our references from an earlier run.
    namespace: `verify-${run}`,
    patienceMs: toMs(verification.patience ?? '5s', 'patience'),
    isEffect: verification.isEffect ?? (({ method }) => !QUESTIONS.has(method)),
    effectAt: async (at) => checkedEffect(await verification.effect(at)),
    newInput: () => {
      inputs++
      return verification.input(`verify-${run}-${inputs}`)
    },
    facts: { callMs: 0, lagMs: 0 },
  }
}

function checkedEffect(effect: RuntimeEffect<never>): RuntimeEffect<never> {
  if (typeof effect?.capabilities?.doubt === 'string') return effect
  throw new ConfigurationError('`effect` has to return what `defineEffect` made, with its SDK pointed at the address.')
}

/** Whether a look-up can end a doubt. */
export function canFind({ doubt }: Capabilities): boolean {
  return doubt === 'find' || doubt === 'key_and_find'
}

/** Whether the service is declared to honour our key. */
export function honoursKey({ doubt }: Capabilities): boolean {
  return doubt === 'key' || doubt === 'key_and_find'
}
