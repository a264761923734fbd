import type { Effect } from '../../engine/index.js'
import type { Duration } from '../../protocol/index.js'
import { type GatewayOptions, startGateway } from '../gateway/index.js'
import type { WireRequest } from './observed.js'
import type { VerifyReport } from './report.js'

/** Where the user's SDK has to be pointed at: our proxy, which stands before the fake. */
export interface ServiceAddress {
  /** With the path of the fake's own url, and without a slash at the end. */
  readonly url: string
  readonly host: string
  readonly port: number
}

/** A fake of the service, which has to keep to what the provider declares of the real one. */
export interface FakeService {
  /** `http://…` or `https://…`. */
  readonly url: string
  /**
   * The truth: how many live operations the fake has for a business key. Default: counted from the answers that our proxy
   * saw, which is the service's word and not its books.
   */
  count?(key: string, effect: string): number | Promise<number>
  /** Makes the fake forget its idempotency keys, as the service does after its window. */
  expireKeys?(): void | Promise<void>
  close?(): void | Promise<void>
}

/** A fake that runs (or just its url), or how to start one. */
export type ServiceSource = string | FakeService | (() => string | FakeService | Promise<string | FakeService>)

/** One effect to verify. */
export interface EffectVerification<Input> {
  /**
   * Makes the effect with its SDK pointed at the address. It is called several times, since every worker has a proxy of
   * its own: make the SDK's client inside it. Its `settled` handler and `serializeBy` are left out.
   */
  readonly effect: (at: ServiceAddress) => Effect<Input, unknown, never> | Promise<Effect<Input, unknown, never>>
  /** A valid input whose business key is, or contains, `id`. Called with a new id for every break. */
  readonly input: (id: string) => NoInfer<Input>
  /**
   * Which requests of `execute` make the effect happen, where it also sends others (a login, say). Default: all but GET,
   * HEAD and OPTIONS.
   */
  readonly isEffect?: (request: WireRequest) => boolean
  /** The longest to wait for the fake's look-up to show an operation, in real time. Default 5 s. */
  readonly patience?: Duration
}

/** What `verifyEffect` needs besides the effect. */
export interface VerifyOptions<Input> extends Omit<EffectVerification<Input>, 'effect'> {
  readonly service: ServiceSource
}

/** What a module for `counterfoil verify` exports by default. */
export interface VerificationSpec<Inputs extends readonly unknown[] = readonly unknown[]> {
  /** The fake: its url, or how to start it. It is started once for all effects, and closed. */
  readonly service: ServiceSource
  readonly effects: { readonly [I in keyof Inputs]: EffectVerification<Inputs[I]> }
}

/** How a verification is run. */
export interface VerificationRun {
  /** Only the effects with these names. Default: all. */
  readonly only?: readonly string[]
  /** Told of every effect when it is done. */
  readonly onReport?: (report: VerifyReport) => void
}

/** A running gateway as the fake: `service: () => gatewayService({ level: 'keys' })`. Its ledger is the truth. */
export async function gatewayService(options: GatewayOptions = {}): Promise<FakeService> {
  const gateway = await startGateway(options)
  return {
    url: gateway.url,
    count: (key) => gateway.ledger.liveCharges(key).length,
    expireKeys: () => gateway.pruneKeys(),
    close: () => gateway.close(),
  }
}

/** The fake, running, with its address checked. */
export async function startService(source: ServiceSource): Promise<FakeService> {
  const started = typeof source === 'function' ? await source() : source
  const service = typeof started === 'string' ? { url: started } : started
  if (!/^https?:\/\//.test(service.url) || !URL.canParse(service.url)) {
    throw new TypeError(
      `The fake's url is ${JSON.stringify(service.url)}: give one that begins with http:// or https://.`,
    )
  }
  return service
}
