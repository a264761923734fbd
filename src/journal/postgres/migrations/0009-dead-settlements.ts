import type { Migration } from './migration.js'

/**
 * Where the dead `settled` handlers are, among any number of entries. Its columns never change with an entry's state, so
 * that the index stands in the way of no heap-only update; and nothing is in it but what is dead, so that all others pay
 * for a look at its predicate and no more.
 */
export const deadSettlements: Migration = {
  version: 9,
  breaking: false,
  sql: (schema) => `
CREATE INDEX entries_dead ON ${schema}.entries (namespace, effect, created_at) WHERE settlement = 'dead';
`,
}
