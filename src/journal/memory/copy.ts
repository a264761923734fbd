import type { Entry, JsonValue } from '../../protocol/index.js'

/** What leaves or enters the journal is a copy: nobody changes a row by changing an object. */
export function copy(entry: Entry): Entry {
  return { ...entry, input: copyJson(entry.input), receipt: copyJson(entry.receipt) }
}

function copyJson(value: JsonValue): JsonValue {
  return typeof value === 'object' && value !== null ? structuredClone(value) : value
}
