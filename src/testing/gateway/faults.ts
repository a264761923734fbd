import { seededFraction } from './seeded.js'

/** What can go wrong with one request. */
export type Fault =
  /** The operation takes effect, its response does not arrive: the connection is cut instead. */
  | { readonly kind: 'lose_response_after_commit' }
  /**
   * The request is held until the client closes its connection, and takes effect only then, `lateMs` later
   * (default 0). With `latestMs` it takes effect at the latest that long after its arrival, and is then answered if
   * the client still waits.
   */
  | { readonly kind: 'commit_after_client_gave_up'; readonly lateMs?: number; readonly latestMs?: number }
  /**
   * The connection is reset and nothing is executed. (A server cannot refuse one request of an open connection;
   * `Gateway.refuseConnections` makes the port itself refuse.)
   */
  | { readonly kind: 'refuse_connection' }
  /** A 500, and nothing took effect. As at Stripe it is stored under the key: the same key gets the same 500 again. */
  | { readonly kind: '500_before_commit' }
  /** A 500, though the operation took effect. Stored under the key likewise. */
  | { readonly kind: '500_after_commit' }
  /** The request is never answered and never takes effect. */
  | { readonly kind: 'hang' }
  /** A 429 with `Retry-After` (default 1 second); nothing is executed and nothing is stored under the key. */
  | { readonly kind: 'rate_limit'; readonly retryAfterSeconds?: number }
  /** A 503 of something in front of the service; nothing is executed and nothing is stored under the key. */
  | { readonly kind: 'unavailable' }
  /** The request is slow on the way in, on the way out, or both. */
  | { readonly kind: 'delay'; readonly beforeCommitMs?: number; readonly afterCommitMs?: number }

export type FaultKind = Fault['kind']

/** What a plan may look at to choose a fault. */
export interface FaultRequest {
  readonly method: string
  readonly path: string
  /** For example `payment_intents.create`; null for a path that the gateway does not know. */
  readonly route: string | null
  readonly businessKey: string | null
  readonly idempotencyKey: string | null
}

/** A rule of a plan. Every condition that is given must hold; a field that is left out holds always. */
export interface FaultRule {
  readonly fault: Fault
  readonly method?: string
  /** The exact path, or a beginning of it when it ends with `*`. */
  readonly path?: string
  /** A route's name, for example `payment_intents.create`. */
  readonly route?: string
  readonly businessKey?: string
  /** Only the nth request (from 1) that meets the conditions above. */
  readonly nth?: number
  /** Only the nth request (from 1) of each business key that meets the conditions above. */
  readonly nthOfBusinessKey?: number
  /** The share of requests to hit, 0 to 1, drawn by the seed. */
  readonly probability?: number
  /** Strike at most so many times. Default: no limit. */
  readonly times?: number
}

/**
 * Rules, of which the first that applies strikes (the counts of later rules do not see that request); or a function of
 * your own, for a gateway in your process.
 */
export type FaultPlan = readonly FaultRule[] | ((request: FaultRequest) => Fault | undefined)

interface RuleState {
  readonly rule: FaultRule
  readonly number: number
  seen: number
  struck: number
  readonly seenByIdentity: Map<string, number>
}

/**
 * Chooses faults. A rule with a probability draws from a hash of (seed, rule, route, business key, how many such
 * requests came before), not from a running generator: so one seed strikes the same requests in every run, however
 * the requests of different keys interleave.
 */
export class FaultChooser {
  readonly #seed: number
  #choose: (request: FaultRequest) => Fault | undefined = () => undefined
  #rules: RuleState[] = []

  constructor(seed: number, plan: FaultPlan) {
    this.#seed = seed
    this.plan(plan)
  }

  /** Replaces the plan; counts begin anew. */
  plan(plan: FaultPlan): void {
    if (typeof plan === 'function') {
      this.#rules = []
      this.#choose = plan
      return
    }
    this.#rules = []
    for (const rule of plan) this.#append(rule)
    this.#choose = (request) => this.#firstThatApplies(request)
  }

  /** Adds a rule behind those that there are. After a function as plan it takes the function's place. */
  add(rule: FaultRule): void {
    this.#append(rule)
    this.#choose = (request) => this.#firstThatApplies(request)
  }

  choose(request: FaultRequest): Fault | null {
    return this.#choose(request) ?? null
  }

  #append(rule: FaultRule): void {
    checkRule(rule)
    this.#rules.push({ rule, number: this.#rules.length, seen: 0, struck: 0, seenByIdentity: new Map() })
  }

  #firstThatApplies(request: FaultRequest): Fault | undefined {
    return this.#rules.find((state) => this.#applies(state, request))?.rule.fault
  }

  #applies(state: RuleState, request: FaultRequest): boolean {
    const { rule } = state
    if (!isMeant(rule, request)) return false
    state.seen += 1
    if (rule.times !== undefined && state.struck >= rule.times) return false
    if (rule.nth !== undefined && rule.nth !== state.seen) return false
    if (rule.nthOfBusinessKey !== undefined || rule.probability !== undefined) {
      const identity = `${request.route ?? request.path}\n${request.businessKey ?? ''}`
      const seen = (state.seenByIdentity.get(identity) ?? 0) + 1
      state.seenByIdentity.set(identity, seen)
      if (rule.nthOfBusinessKey !== undefined && rule.nthOfBusinessKey !== seen) return false
      if (rule.probability !== undefined) {
        const drawn = seededFraction(this.#seed, `${state.number}\n${identity}\n${seen}`)
        if (drawn >= rule.probability) return false
      }
    }
    state.struck += 1
    return true
  }
}

function isMeant(rule: FaultRule, request: FaultRequest): boolean {
  return (
    (rule.method === undefined || rule.method === request.method) &&
    (rule.route === undefined || rule.route === request.route) &&
    (rule.businessKey === undefined || rule.businessKey === request.businessKey) &&
    (rule.path === undefined ||
      (rule.path.endsWith('*') ? request.path.startsWith(rule.path.slice(0, -1)) : rule.path === request.path))
  )
}

const KINDS: ReadonlySet<string> = new Set<FaultKind>([
  'lose_response_after_commit',
  'commit_after_client_gave_up',
  'refuse_connection',
  '500_before_commit',
  '500_after_commit',
  'hang',
  'rate_limit',
  'unavailable',
  'delay',
])

/** Faults also come over the wire, where no type guards them. @throws {TypeError} for one that could never strike. */
export function checkFault(fault: Fault): void {
  if (KINDS.has(fault?.kind)) return
  throw new TypeError(`A fault rule names the fault ${JSON.stringify(fault)}; known kinds: ${[...KINDS].join(', ')}.`)
}

/** A rule that could never strike is refused at once. */
function checkRule(rule: FaultRule): void {
  checkFault(rule.fault)
  if (rule.probability !== undefined && !(rule.probability >= 0 && rule.probability <= 1)) {
    throw new RangeError(`A fault rule has the probability ${rule.probability}; give a number from 0 to 1.`)
  }
  for (const count of [rule.nth, rule.nthOfBusinessKey, rule.times]) {
    if (count !== undefined && !(Number.isInteger(count) && count >= 1)) {
      throw new RangeError(`A fault rule has the count ${count}; give a whole number from 1.`)
    }
  }
}
