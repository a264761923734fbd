export {
  type LeasePool,
  type PostgresLease,
  type PostgresLeaseOptions,
  postgresLease,
} from '../../lease/postgres/index.js'
export type { PostgresClient, PostgresPool, PostgresTransaction, QueryConfig, QueryResult } from './client.js'
export { type PostgresJournalOptions, postgresJournal } from './journal.js'
export { type Migrated, type MigrateOptions, migrate } from './migrations/index.js'
