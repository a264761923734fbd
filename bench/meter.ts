import { readdir, readFile } from 'node:fs/promises'
import type pg from 'pg'

/** What a database server had done up to a moment. Differences mean something. */
export interface DatabaseReading {
  /** Transactions that wrote something: each is a commit on disk. */
  readonly commits: number
  readonly walBytes: number
  /** Statements of all kinds; null where the server does not count them (pg_stat_statements). */
  readonly statements: number | null
  /** Milliseconds of CPU of all its processes; null where they cannot be seen. */
  readonly cpuMs: number | null
}

/** Reads what the server has done, from one connection to it. The server must be busy with nothing else. */
export class DatabaseMeter {
  readonly #admin: pg.Client
  readonly #pid: number | null
  readonly #countsStatements: boolean

  private constructor(admin: pg.Client, pid: number | null, countsStatements: boolean) {
    this.#admin = admin
    this.#pid = pid
    this.#countsStatements = countsStatements
  }

  static async of(admin: pg.Client, pid: number | null): Promise<DatabaseMeter> {
    const counts = await admin.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements').then(
      () => true,
      () => false,
    )
    const works =
      counts &&
      (await admin.query('SELECT 1 FROM pg_stat_statements LIMIT 1').then(
        () => true,
        () => false,
      ))
    return new DatabaseMeter(admin, pid, works)
  }

  async read(): Promise<DatabaseReading> {
    const { rows } = await this.#admin.query(READING)
    const statements = this.#countsStatements ? await this.#admin.query(STATEMENTS) : null
    return {
      commits: Number(rows[0]?.commits),
      walBytes: Number(rows[0]?.wal),
      statements: statements === null ? null : Number(statements.rows[0]?.calls),
      cpuMs: this.#pid === null ? null : await cpuOfTree(this.#pid),
    }
  }
}

// A transaction gets an id when it first writes, so that the next id counts those that had something to commit.
const READING = `
SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS commits, pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS wal`

const STATEMENTS = 'SELECT coalesce(sum(calls), 0) AS calls FROM pg_stat_statements'

/** Milliseconds of CPU that a process, its living children and those that have ended have had. Linux only. */
export async function cpuOfTree(pid: number): Promise<number | null> {
  try {
    const own = await ticksOf(pid)
    if (own === null) return null
    const others = await Promise.all(
      (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map((name) => ticksOf(Number(name))),
    )
    const living = others.filter((each) => each?.parent === pid)
    const ticks = own.self + own.endedChildren + living.reduce((sum, each) => sum + (each?.self ?? 0), 0)
    return ticks * MS_PER_TICK
  } catch {
    return null
  }
}

/** USER_HZ is 100 on every Linux that Node runs on. */
const MS_PER_TICK = 10

interface Ticks {
  readonly parent: number
  readonly self: number
  readonly endedChildren: number
}

async function ticksOf(pid: number): Promise<Ticks | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null)
  if (stat === null) return null
  // The command's name stands in parentheses and may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const field = (number: number): number => Number(fields[number - 3])
  return { parent: field(4), self: field(14) + field(15), endedChildren: field(16) + field(17) }
}
