import {
  type ClaimTerms,
  claim,
  decide,
  type Entry,
  enact,
  isClaimable,
  isHeldBy,
  resolveByFind,
  resumeByFind,
  resumeByKey,
  resumeChange,
  transition,
} from './index.js'

/** The protocol as the world uses it: what a test may replace by a broken copy. */
export interface Protocol {
  readonly decide: typeof decide
  readonly transition: typeof transition
  readonly enact: typeof enact
  readonly claim: typeof claim
  readonly isClaimable: typeof isClaimable
  readonly isHeldBy: typeof isHeldBy
  readonly resolveByFind: typeof resolveByFind
  readonly resumeChange: typeof resumeChange
  readonly resumeByFind: typeof resumeByFind
  readonly resumeByKey: typeof resumeByKey
  /** What becomes of an entry when a message for it is delivered once more. */
  readonly redeliver: (entry: Entry, terms: ClaimTerms, nowMs: number) => Entry
}

export const PROTOCOL: Protocol = {
  decide,
  transition,
  enact,
  claim,
  isClaimable,
  isHeldBy,
  resolveByFind,
  resumeChange,
  resumeByFind,
  resumeByKey,
  redeliver: (entry) => entry,
}

export type Rule = 'P1' | 'P2' | 'P3' | 'P4a' | 'P4b' | 'P5' | 'P6' | 'P9' | 'once' | 'truth'

/** What the world cries out at: every rule, or only at what comes of breaking one. */
export type Watch = 'every rule' | 'consequences'

/** A rule of the protocol was broken. */
export class Broken extends Error {
  readonly rule: Rule
  constructor(rule: Rule, what: string) {
    super(`${rule}: ${what}`)
    this.rule = rule
  }
}
