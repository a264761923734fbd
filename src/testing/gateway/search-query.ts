import { type ApiError, invalidRequest } from './errors.js'

/** One condition of a search query. */
export interface Clause {
  readonly field: string
  /** The key inside `metadata['…']`; null for other fields. */
  readonly metadataKey: string | null
  readonly operator: ':' | '<' | '<=' | '>' | '>=' | '~'
  /** Null is the literal `null`: the field is not there. */
  readonly value: string | null
  readonly negated: boolean
}

/** All conditions must hold (`all`), or any of them. */
export interface SearchQuery {
  readonly all: boolean
  readonly clauses: readonly Clause[]
}

const QUOTED = String.raw`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'`
const CLAUSE = new RegExp(
  String.raw`\s*(-)?([a-z_.]+)(?:\[(${QUOTED})\])?\s*(:|~|>=|<=|>|<)\s*(${QUOTED}|null|-?\d+)`,
  'y',
)
const CONNECTIVE = /\s+(?:(AND|OR)\s+)?|\s*$/iy

/**
 * Parses Stripe's search query language (https://docs.stripe.com/search#search-query-language):
 * `metadata['order_id']:'7' AND status:'succeeded'`. AND and OR cannot be mixed; a space alone is AND.
 *
 * @throws {ApiError} 400 for a malformed query or a field that cannot be searched.
 */
export function parseSearchQuery(text: string, fields: ReadonlySet<string>): SearchQuery {
  const clauses: Clause[] = []
  const connectives = new Set<string>()
  let position = 0
  while (position < text.length) {
    const clause = matchAt(CLAUSE, text, position)
    if (clause === null) throw malformed(text, position)
    clauses.push(toClause(clause, fields))
    position += clause[0].length
    if (position === text.length) break
    const connective = matchAt(CONNECTIVE, text, position)
    if (connective === null || connective[0] === '') throw malformed(text, position)
    position += connective[0].length
    if (position < text.length) connectives.add(connective[1]?.toUpperCase() ?? 'AND')
  }
  if (clauses.length === 0) throw malformed(text, 0)
  if (connectives.size > 1) {
    throw invalidRequest('We do not support combining AND and OR in one query.', { param: 'query' })
  }
  return { all: !connectives.has('OR'), clauses }
}

/** Whether a value meets a condition. Texts compare without regard to case, as Stripe's search does. */
export function matchesClause(clause: Clause, actual: number | string | null): boolean {
  return compare(clause, actual) !== clause.negated
}

function compare({ operator, value }: Clause, actual: number | string | null): boolean {
  if (value === null) return actual === null
  if (actual === null) return false
  switch (operator) {
    case ':':
      return String(actual).toLowerCase() === value.toLowerCase()
    case '~':
      return String(actual).toLowerCase().includes(value.toLowerCase())
    case '>':
      return Number(actual) > Number(value)
    case '>=':
      return Number(actual) >= Number(value)
    case '<':
      return Number(actual) < Number(value)
    case '<=':
      return Number(actual) <= Number(value)
  }
}

function toClause(
  [, minus, field = '', key, operator, value = '']: RegExpExecArray,
  fields: ReadonlySet<string>,
): Clause {
  const metadataKey = key === undefined ? null : unquote(key)
  if (metadataKey === null ? !fields.has(field) : field !== 'metadata') {
    throw invalidRequest(`Field \`${field}\` is an unsupported search field for this resource.`, { param: 'query' })
  }
  return {
    field,
    metadataKey,
    operator: operator as Clause['operator'],
    value: value === 'null' ? null : unquote(value),
    negated: minus !== undefined,
  }
}

function unquote(text: string): string {
  return /^['"]/.test(text) ? text.slice(1, -1).replaceAll(/\\(.)/g, '$1') : text
}

function matchAt(pattern: RegExp, text: string, position: number): RegExpExecArray | null {
  pattern.lastIndex = position
  return pattern.exec(text)
}

function malformed(text: string, position: number): ApiError {
  return invalidRequest(
    `We were unable to parse your search query, at "${text.slice(position, position + 20)}". Try using the format \`metadata["key"]:"value"\` to query for metadata or key:"value" to query for other fields.`,
    { param: 'query' },
  )
}
