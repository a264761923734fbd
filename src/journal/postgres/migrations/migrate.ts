import { ConfigurationError, JournalError } from '../../../protocol/index.js'
import type { PostgresPool, PostgresTransaction } from '../client.js'
import { type Connection, withConnection } from '../connection.js'
import { journalError, sqlState } from '../errors.js'
import { type QuotedSchema, quoteIdentifier } from '../statement.js'
import { entries } from './0001-entries.js'
import { leases } from './0002-leases.js'
import { compensations } from './0003-compensations.js'
import { audits } from './0004-audits.js'
import { inbox } from './0005-inbox.js'
import { called } from './0006-called.js'
import { oneCheck } from './0007-one-check.js'
import { compact } from './0008-compact.js'
import { deadSettlements } from './0009-dead-settlements.js'
import { turns } from './0010-turns.js'
import { usualRows } from './0011-usual-rows.js'
import { parked } from './0012-parked.js'
import { lean } from './0013-lean.js'
import { findingsListed } from './0014-findings-listed.js'
import { vouched } from './0015-vouched.js'
import { places } from './0016-places.js'
import type { Migration } from './migration.js'

/** All steps, in order; their versions are 1, 2, 3, … */
export const MIGRATIONS: readonly Migration[] = [
  ...[entries, leases, compensations, audits, inbox, called, oneCheck, compact, deadSettlements, turns, usualRows],
  ...[parked, lean, findingsListed, vouched, places],
]

/** Several processes may start at once: those that lose the race to create the schema try again. */
const RACE_TRIES = 10

export interface MigrateOptions {
  /** Where the journal's tables are. Default `counterfoil`. */
  readonly schema?: string
}

/** What `migrate` found and did. */
export interface Migrated {
  /** The schema's version now. */
  readonly version: number
  /** Which steps this call made; empty where there was nothing to do. */
  readonly applied: readonly number[]
}

/**
 * Brings the journal's schema to this program's version, in one transaction. Any number of processes may do it at once;
 * where nothing is to be done, it only reads, so that a role without the right to create tables may call it.
 *
 * @throws {JournalError} when the schema was made by a newer program that this one would do harm to, or when the
 * database refuses.
 */
export async function migrate(pool: PostgresPool, options: MigrateOptions = {}): Promise<Migrated> {
  return migrateWith(pool, options.schema ?? 'counterfoil', MIGRATIONS)
}

/** `migrate` with other steps: for tests. */
export async function migrateWith(
  pool: PostgresPool,
  schemaName: string,
  steps: readonly Migration[],
): Promise<Migrated> {
  if (schemaName === '' || schemaName.includes('\u0000') || Buffer.byteLength(schemaName) > 63) {
    throw new ConfigurationError(
      `The schema's name ${JSON.stringify(schemaName)} is empty or over PostgreSQL's 63 bytes.`,
    )
  }
  const what = `migrate its schema ${JSON.stringify(schemaName)}`
  return withConnection(pool, what, async (connection) => {
    try {
      const found = await installedSteps(queriesOf(connection), schemaName)
      refuseNewer(found, schemaName, steps)
      const last = steps.at(-1)?.version ?? 0
      if (found.some((step) => step.version === last)) return { version: versionOf(found), applied: [] }
      return await migrateInTransaction(connection, schemaName, steps)
    } catch (error) {
      throw journalError(what, 'writes', error)
    }
  })
}

interface Step {
  readonly version: number
  readonly breaking: boolean
}

async function migrateInTransaction(
  connection: Connection,
  schemaName: string,
  steps: readonly Migration[],
): Promise<Migrated> {
  for (let tries = 1; ; tries++) {
    try {
      return await migrateOnce(connection, schemaName, steps)
    } catch (error) {
      await connection.query({ text: 'ROLLBACK' }).catch(() => undefined)
      if (!isCreationRace(error) || tries === RACE_TRIES) throw error
    }
  }
}

async function migrateOnce(connection: Connection, schemaName: string, steps: readonly Migration[]): Promise<Migrated> {
  const schema = quoteIdentifier(schemaName)
  await connection.query({ text: 'BEGIN' })
  if (!(await schemaExists(connection, schemaName)))
    await connection.query({ text: `CREATE SCHEMA IF NOT EXISTS ${schema}` })
  await connection.query({ text: migrationsTable(schema) })
  // The others wait here. A table lock ends with its transaction, also behind a pooler in transaction mode, where an
  // advisory lock of the session would stay with a connection that is somebody else's by then.
  await connection.query({ text: `LOCK TABLE ${schema}.migrations IN SHARE ROW EXCLUSIVE MODE` })
  const found = await installedSteps(queriesOf(connection), schemaName)
  refuseNewer(found, schemaName, steps)
  const missing = steps.filter((step) => step.version > versionOf(found))
  for (const step of missing) {
    await connection.query({ text: step.sql(schema) })
    await connection.query({
      text: `INSERT INTO ${schema}.migrations (version, breaking) VALUES ($1, $2)`,
      values: [step.version, step.breaking],
    })
  }
  await connection.query({ text: 'COMMIT' })
  const applied = missing.map((step) => step.version)
  return { version: Math.max(versionOf(found), ...applied), applied }
}

function migrationsTable(schema: QuotedSchema): string {
  return `CREATE TABLE IF NOT EXISTS ${schema}.migrations (
  version integer PRIMARY KEY,
  breaking boolean NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
)`
}

async function schemaExists(connection: Connection, schemaName: string): Promise<boolean> {
  const { rows } = await connection.query({
    text: 'SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1',
    values: [schemaName],
  })
  return rows.length > 0
}

/**
 * Whether the schema is at this program's version, asked in a transaction that is somebody else's: it writes nothing,
 * and nothing that is missing makes it fail.
 *
 * @throws {JournalError} when the schema was made by a newer program that this one would do harm to.
 */
export async function isMigrated(tx: PostgresTransaction, schemaName: string): Promise<boolean> {
  const found = await installedSteps(tx, schemaName)
  refuseNewer(found, schemaName, MIGRATIONS)
  return found.some((step) => step.version === MIGRATIONS.at(-1)?.version)
}

/** The steps that the schema has; none where there is no schema yet. */
async function installedSteps(on: PostgresTransaction, schemaName: string): Promise<Step[]> {
  const { rows } = await on.query(
    `SELECT 1 AS found FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = $1::text AND c.relname = 'migrations'`,
    [schemaName],
  )
  if (rows.length === 0) return []
  const schema = quoteIdentifier(schemaName)
  // From version 1 on, which is all: adapters tie a statement to its transaction by a parameter.
  const found = await on.query<Record<'version' | 'breaking', string>>(
    `SELECT version::text AS version, breaking::text AS breaking FROM ${schema}.migrations
WHERE version >= $1::integer ORDER BY migrations.version`,
    [1],
  )
  return found.rows.map(({ version, breaking }) => ({ version: Number(version), breaking: breaking === 'true' }))
}

/** A connection as transactions are seen. */
function queriesOf(connection: Connection): PostgresTransaction {
  return {
    query: async <Row>(text: string, values: unknown[] = []) => {
      const { rows } = await connection.query({ text, values })
      return { rows: rows as Row[] }
    },
  }
}

function refuseNewer(found: readonly Step[], schemaName: string, steps: readonly Migration[]): void {
  const known = steps.at(-1)?.version ?? 0
  const harmful = found.find((step) => step.version > known && step.breaking)
  if (harmful === undefined) return
  throw new JournalError(
    `The journal's schema ${JSON.stringify(schemaName)} is at version ${versionOf(found)}; this program knows ${known}, and ` +
      `version ${harmful.version} changed what it relies on. Nothing was read or written. Deploy a newer counterfoil here.`,
    { transient: false },
  )
}

function versionOf(steps: readonly Step[]): number {
  return Math.max(0, ...steps.map((step) => step.version))
}

/** Two transactions created the same thing, and PostgreSQL's IF NOT EXISTS does not see the other's. */
function isCreationRace(error: unknown): boolean {
  // unique_violation (in the catalog), duplicate_schema, duplicate_table, duplicate_object, deadlock, serialization
  return ['23505', '42P06', '42P07', '42710', '40P01', '40001'].includes(sqlState(error) ?? '')
}
