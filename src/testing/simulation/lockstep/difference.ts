import type { Entry } from '../../../protocol/index.js'
import type { Kind, Recorded } from './recording.js'

/** Where PostgreSQL did not do what the memory journal did. */
export interface Difference {
  readonly seed: number
  /** Which of the recorded operations, from 1; null: at the end, in the rows. */
  readonly at: number | null
  readonly operation: string
  readonly memory: string
  readonly postgres: string
}

/** A difference in words, with what plays the history again. */
export function describeDifference({ seed, at, operation, memory, postgres }: Difference): string {
  const where = at === null ? 'at the end' : `at operation ${at}`
  return [`Seed ${seed}, ${where}: ${operation}`, `  memory      ${memory}`, `  PostgreSQL  ${postgres}`].join('\n')
}

/** What was asked, with its time. */
export function wordsOf(event: Recorded): string {
  if (event.what === 'called') {
    return `${event.operation}(${event.arguments.map((each) => JSON.stringify(each)).join(', ')}) at ${event.nowMs} ms`
  }
  const settles = event.what === 'opened' && event.settles !== null ? ` to settle ${event.settles.id}` : ''
  return `transaction ${event.transaction} is ${event.what}${settles} at ${event.nowMs} ms`
}

/**
 * An answer as a text by which it is compared.
 *
 * @param rows how the entries stood before: of what is due at the same moment, any may come first.
 */
export function comparable(kind: Kind, answer: unknown, rows: ReadonlyMap<string, Entry>): string {
  switch (kind) {
    case 'exact':
    case 'wait':
      return textOf(answer)
    case 'entries':
      return textOf((answer as unknown[]).map(textOf).sort())
    case 'due':
      return textOf({
        due: (answer as unknown[]).map((each) => dueOf(each, rows)),
        of: (answer as unknown[]).map(textOf).sort(),
      })
    case 'grant':
      return answer === null ? 'null' : textOf({ ...(answer as object), fence: 'its own' })
  }
}

/** By what its place among what is due is decided. */
export function dueOf(answer: unknown, rows: ReadonlyMap<string, Entry>): unknown {
  const entry = rows.get(typeof answer === 'string' ? answer : (answer as { readonly id: string }).id)
  return entry === undefined ? null : { begun: entry.fence > 0, dueAtMs: entry.dueAtMs }
}

/** Whether both journals gave the same answer. */
export function isSame(kind: Kind, memory: unknown, postgres: unknown, rows: ReadonlyMap<string, Entry>): boolean {
  if (kind === 'wait') return Number(postgres ?? Infinity) <= Number(memory ?? Infinity)
  return comparable(kind, memory, rows) === comparable(kind, postgres, rows)
}

/** JSON with its keys in order, and times as PostgreSQL keeps them: in whole microseconds. */
export function textOf(value: unknown): string {
  return (
    JSON.stringify(value, (name, each: unknown) => {
      if (typeof each === 'number' && name.endsWith('Ms')) return Math.round(each * 1000) / 1000
      if (each instanceof Error) return { error: each.name, message: each.message }
      if (typeof each !== 'object' || each === null || Array.isArray(each)) return each
      return Object.fromEntries(Object.entries(each).sort(([one], [other]) => (one < other ? -1 : 1)))
    }) ?? 'nothing'
  )
}
