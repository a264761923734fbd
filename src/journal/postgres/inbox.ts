import {
  type Failing,
  type InboxMessage,
  type InboxStore,
  JournalError,
  type JsonValue,
  type Reason,
  type Taken,
} from '../../protocol/index.js'
import type { PostgresTransaction } from './client.js'
import type { Database, Row } from './database.js'
import { journalError } from './errors.js'
import { timeOf } from './row.js'
import type { Statement } from './statement.js'
import type { Statements } from './statements.js'

const SHARDS = 16

/** The inbox in rows; two who take one message meet at its primary key, and the later one waits there. */
export class PostgresInbox implements InboxStore<PostgresTransaction> {
  readonly #database: Database
  readonly #sql: Statements
  readonly #prepare: () => Promise<unknown>

  constructor(at: { readonly database: Database; readonly sql: Statements; readonly prepare: () => Promise<unknown> }) {
    this.#database = at.database
    this.#sql = at.sql
    this.#prepare = at.prepare
  }

  async take(tx: PostgresTransaction, message: InboxMessage): Promise<Taken> {
    await this.#prepare()
    const taken = await run(tx, this.#sql.takeMessage, messageValues(message))
    if (taken.length > 0) return { first: true }
    const [row] = await run<{ received_at: string; result: string | null }>(tx, this.#sql.readMessage, [message.id])
    if (row === undefined) {
      throw new JournalError(
        `Message ${JSON.stringify(message.messageId)} was forgotten while it was asked for. Nothing was written; ask again.`,
      )
    }
    const result = row.result === null ? undefined : (JSON.parse(row.result) as JsonValue)
    return { first: false, receivedAtMs: timeOf(row.received_at), result }
  }

  async decide(tx: PostgresTransaction, id: string, result: JsonValue): Promise<void> {
    await run(tx, this.#sql.decideMessage, [id, JSON.stringify(result)])
  }

  async countRedelivery(message: InboxMessage): Promise<Failing | null> {
    await this.#prepare()
    const [row] = await this.#database.write('count a redelivery', this.#sql.countRedelivery, messageValues(message))
    return failingOf(row)
  }

  async noteFailure(
    message: InboxMessage,
    { reason, redelivered }: { readonly reason: Reason; readonly redelivered: boolean },
  ): Promise<Failing | null> {
    await this.#prepare()
    const values = [...messageValues(message), JSON.stringify(reason), redelivered]
    const [row] = await this.#database.write('note a failed message', this.#sql.noteMessageFailure, values)
    return failingOf(row)
  }

  async purge(limit: number): Promise<number> {
    await this.#prepare()
    const ofEachShard = Math.ceil(limit / SHARDS)
    return (await this.#database.write('forget old messages', this.#sql.purgeMessages, [ofEachShard])).length
  }
}

async function run<Answer>(tx: PostgresTransaction, statement: Statement, values: unknown[]): Promise<Answer[]> {
  try {
    return (await tx.query<Answer>(statement.text, values)).rows
  } catch (error) {
    throw journalError('receive a message', 'writes', error)
  }
}

function messageValues({ id, namespace, consumer, source, messageId, retentionMs }: InboxMessage): unknown[] {
  // The id is a hash, so its first digit is as good as any other sixteenth.
  const shard = Number.parseInt(id.slice(0, 1), SHARDS)
  return [id, shard, namespace, consumer, source, messageId, retentionMs]
}

function failingOf(row: Row | undefined): Failing | null {
  if (row === undefined) return null
  const [begun, reason] = row
  return { begun: Number(begun), reason: typeof reason === 'string' ? (JSON.parse(reason) as Reason) : null }
}
