import { type Capabilities, type Change, type Entry, enact, type FindResult, findLagOf } from './index.js'
import type { Protocol, Rule } from './protocol.fixture.js'
import { WHY } from './samples.fixture.js'

/** What the world lends to a person. */
export interface Lent {
  readonly capabilities: Capabilities
  readonly entry: () => Entry | null
  readonly nowMs: () => number
  readonly find: () => FindResult
  /** Until when a call may be under way that may have happened; minus infinity: there is none. */
  readonly openUntilMs: () => number
  readonly put: (entry: Entry) => void
  readonly cry: (rule: Rule, what: string) => void
}

interface Asked {
  readonly entry: Entry
  readonly result: FindResult
  readonly askedAtMs: number
}

const BY = { actor: 'ada', reason: 'the service is back' }

/** A person who has a parked entry tried again, and may take any time between the question and the word. */
export class Person {
  readonly #protocol: Protocol
  readonly #lent: Lent
  #asked: Asked | null = null

  constructor(protocol: Protocol, lent: Lent) {
    this.#protocol = protocol
    this.#lent = lent
  }

  act(inVain: boolean): void {
    if (this.#asked === null) this.#ask(inVain)
    else this.#answered(this.#asked)
  }

  #ask(inVain: boolean): void {
    const entry = this.#lent.entry()
    if (entry?.state !== 'parked') return
    if (entry.inDoubtSinceMs === null) {
      this.#write(entry, this.#protocol.resumeChange(entry, { ...BY, proof: 'known' }))
    } else if (this.#settlesWithinMs === null) {
      const { change } = this.#protocol.resumeByKey(entry, this.#lent.capabilities, BY, this.#lent.nowMs())
      if (change !== null) this.#byKey(entry, change)
    } else {
      const result = inVain ? ({ kind: 'could_not_ask', reason: WHY } as const) : this.#lent.find()
      this.#asked = { entry, result, askedAtMs: this.#lent.nowMs() }
    }
  }

  /** It may have happened, whatever its key is good for: only a doubt is called under the key's window. */
  #byKey(entry: Entry, change: Change): void {
    if (change.state !== 'in_doubt') this.#lent.cry('P4a', `a key was taken for proof that it is ${change.state}`)
    this.#write(entry, change)
  }

  #answered({ entry, result, askedAtMs }: Asked): void {
    this.#asked = null
    const provesFromMs = (entry.lastDeadlineAtMs ?? askedAtMs) + (this.#settlesWithinMs ?? 0)
    const proven = result.kind === 'absent' && askedAtMs > provesFromMs
    const change = this.#protocol.resumeByFind(entry, { result, proven }, BY)
    if (change === null || !this.#stands(entry)) return
    if (change.state === 'pending') this.#checkAbsence(result, askedAtMs)
    this.#write(entry, change)
  }

  /** As the journal's write by evidence: if the entry is as it was seen, and under a new fence. */
  #write(seen: Entry, change: Change): void {
    const row = this.#lent.entry()
    if (row === null || !this.#stands(seen)) return
    if (seen.inDoubtSinceMs === null && this.#lent.openUntilMs() > Number.NEGATIVE_INFINITY) {
      this.#lent.cry('P4a', 'it was resumed as known not to have happened, and an earlier call may have')
    }
    this.#lent.put({ ...enact(row, change, this.#lent.nowMs()), fence: row.fence + 1 })
  }

  /** Null: the service cannot be asked. */
  get #settlesWithinMs(): number | null {
    return findLagOf(this.#lent.capabilities)?.settlesWithinMs ?? null
  }

  #stands(seen: Entry): boolean {
    const row = this.#lent.entry()
    return row?.fence === seen.fence && row.state === seen.state
  }

  #checkAbsence(result: FindResult, askedAtMs: number): void {
    if (result.kind !== 'absent') this.#lent.cry('P5', `a person took ${result.kind} for an absence`)
    const visibleUntilMs = this.#lent.openUntilMs() + (this.#settlesWithinMs ?? 0)
    if (askedAtMs <= visibleUntilMs) {
      this.#lent.cry('P4b', `a person asked at ${askedAtMs}, and a call may show until ${visibleUntilMs}`)
    }
  }
}
