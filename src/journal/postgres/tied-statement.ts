import { ProtocolViolation } from '../../protocol/index.js'
import { textArray } from './array-literal.js'

/** A parameter as it travels: PostgreSQL's own text for the value. */
export type TextValue = string | null

/** A statement that every library carries alike. */
export interface TextStatement {
  /** The SQL, with `$1`, `$2`, … */
  readonly text: string
  readonly values: readonly TextValue[]
}

/** What may hold a `$1` that is no parameter, or a parameter. The journal's SQL has neither comments nor dollar quotes. */
const PARAMETERS = /"(?:[^"]|"")*"|'(?:[^']|'')*'|\$(\d+)/g
const CAST_PARAMETERS = /"(?:[^"]|"")*"|'(?:[^']|'')*'|\$(\d+)(?=::)/g

/**
 * The statement with every value as text and every cast parameter declared as text: `$1::uuid[]` becomes
 * `$1::text::uuid[]`.
 *
 * Libraries serialise arrays, JSON and booleans each in a way of their own, and go by the type that the server asks
 * for: postgres.js encodes a string for `json` once more, and reads every string for `boolean` as false. A parameter
 * that is text is a string to all of them, and PostgreSQL's casts do the rest.
 */
export function asText(text: string, values: readonly unknown[] = []): TextStatement {
  return {
    text: text.replace(CAST_PARAMETERS, (match, position?: string) =>
      position === undefined ? match : `$${position}::text`,
    ),
    values: values.map(textOf),
  }
}

/** A transaction's beginning in microseconds, which no other transaction of its connection shares. */
const BEGUN = '(extract(epoch FROM now()) * 1000000)::bigint'

/** Asks when the transaction began: one row, of `began`. */
export const BEGINNING: TextStatement = { text: `SELECT ${BEGUN}::text AS began`, values: [] }

/** What PostgreSQL's error says of a statement of `onlyIfBegun` that came elsewhere. */
export const ELSEWHERE = 'not in the transaction for which it was made'

/**
 * The statement, made to fail (22P02, with ELSEWHERE in its message) unless it runs in the transaction that began then.
 *
 * In the statement itself: a question asked before it is answered of that moment, and a COMMIT may come between the two.
 * The first cast parameter is read only in the right transaction. The other branch cannot be computed while planning:
 * `now()` keeps it from a plan that knows the values, the value from one that knows the time (for estimates). A volatile
 * function would do both, and keep the condition from an index.
 */
export function onlyIfBegun(statement: TextStatement, began: string): TextStatement {
  const last = statement.values.length + 1
  let isGuarded = false
  const text = statement.text.replace(CAST_PARAMETERS, (match, position?: string) => {
    if (position === undefined || isGuarded) return match
    isGuarded = true
    return `(CASE WHEN ${BEGUN} = $${last}::text::bigint THEN $${position}::text ELSE ('${ELSEWHERE}, ' || $${last}::text || now())::integer::text END)`
  })
  if (!isGuarded)
    throw new ProtocolViolation('A statement has no cast parameter, so it cannot be tied to a transaction.')
  return { text, values: [...statement.values, began] }
}

/** A statement cut at its parameters: `texts[0]`, the first of `values`, `texts[1]`, … A parameter used twice is there twice. */
export function cutAtParameters(statement: TextStatement): { texts: string[]; values: TextValue[] } {
  const texts: string[] = []
  const values: TextValue[] = []
  let from = 0
  for (const match of statement.text.matchAll(PARAMETERS)) {
    const position = match[1]
    if (position === undefined) continue
    const value = statement.values[Number(position) - 1]
    if (value === undefined) throw new ProtocolViolation(`A statement has no value for its parameter $${position}.`)
    texts.push(statement.text.slice(from, match.index))
    values.push(value)
    from = match.index + match[0].length
  }
  texts.push(statement.text.slice(from))
  return { texts, values }
}

/** PostgreSQL's text for a value; an array becomes an array literal. */
export function textOf(value: unknown): TextValue {
  if (value === null || value === undefined) return null
  if (Array.isArray(value)) return textArray(value.map(elementOf))
  switch (typeof value) {
    case 'string':
      return value
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value)
    default:
      if (value instanceof Date) return value.toISOString()
      throw new ProtocolViolation(`A statement has a parameter that is ${typeof value}, which has no text form.`)
  }
}

function elementOf(value: unknown): TextValue {
  if (Array.isArray(value)) throw new ProtocolViolation('A statement has a parameter that is an array of arrays.')
  return textOf(value)
}
