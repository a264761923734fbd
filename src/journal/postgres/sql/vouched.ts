import { NOW } from '../row.js'

/**
 * What a statement writes into `vouched_at`: its own time where `keepsRules`, and else null. The constraint of `entries`
 * then asks the row for no rule any more (migrations/0015-vouched.ts), so that whatever is vouched for must keep them all, by
 * the condition or by what the statement writes; a test tries it with what breaks them.
 */
export function vouchedIf(keepsRules: string): string {
  return `CASE WHEN ${keepsRules} THEN ${NOW} END`
}

/** The names of an entry that is new, as expressions. */
export interface Names {
  readonly namespace: string
  readonly effect: string
  readonly key: string
  readonly reference: string
  readonly fingerprint: string
  readonly generation: string
}

/** Whether the names of a new entry keep the rules. */
export function areNames({ namespace, effect, key, reference, fingerprint, generation }: Names): string {
  return `least(${namespace}, ${effect}, ${key}, ${reference}, ${fingerprint}) COLLATE "C" > ''
    AND char_length(${key}) <= 512 AND octet_length(${reference}) <= 36 AND ${generation} >= 1`
}
