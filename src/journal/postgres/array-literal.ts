/**
 * Arrays as PostgreSQL writes them, for the statements of every effect. `pg` would do it too, with two replacements and a
 * look at the type for every element of every column: a tenth of what an effect costs its process.
 */

/** Of values that need no quotes: numbers, booleans, ids, and words of `[A-Za-z0-9_.-]` other than NULL. */
export function bareArray(values: readonly (string | number | boolean | null)[]): string {
  return `{${values.includes(null) ? values.map((value) => value ?? 'NULL').join() : values.join()}}`
}

/** Of any text. */
export function textArray(values: readonly (string | null)[]): string {
  // Nearly always: nothing is missing, and nothing to escape.
  if (!values.includes(null) && !SPECIAL.test(values.join(''))) {
    return values.length === 0 ? '{}' : `{"${values.join('","')}"}`
  }
  return `{${values.map(elementOf).join()}}`
}

function elementOf(value: string | null): string {
  return value === null ? 'NULL' : `"${SPECIAL.test(value) ? value.replace(EVERY_SPECIAL, '\\$&') : value}"`
}

const SPECIAL = /["\\]/
const EVERY_SPECIAL = /["\\]/g
