import {
  IdempotencyConfig,
  IdempotencyItemAlreadyExistsError,
  IdempotencyItemNotFoundError,
  makeIdempotent,
} from '@aws-lambda-powertools/idempotency'
import { BasePersistenceLayer, IdempotencyRecord } from '@aws-lambda-powertools/idempotency/persistence'
import pg from 'pg'
import type { Receipt } from '../service/client.js'
import type { Order, System } from '../system.js'

const CONNECTIONS = 16
/** Longer than any measure. */
const FUNCTION_TIMEOUT_MS = 60_000

/** A persistence layer on PostgreSQL, as its documentation says to bring your own. */
export const powertools: System = {
  name: 'powertools',
  title: 'Powertools idempotency',
  promise:
    'A finished call is not repeated while its record lives; one whose worker was lost is made again after the function’s time is over, and one that throws is forgotten.',
  docs: 'https://docs.aws.amazon.com/powertools/typescript/latest/features/idempotency/#bring-your-own-persistent-store',
  isQueue: false,
  inSeveral: true,
  takesOverItself: false,
  open: async ({ databaseUrl, service, callers, lostAfterMs }) => {
    const pool = new pg.Pool({ connectionString: databaseUrl, max: Math.min(callers, CONNECTIONS) })
    await pool.query(RECORDS)
    const config = new IdempotencyConfig({ eventKeyJmesPath: 'id', expiresAfterSeconds: 3_600 })
    config.registerLambdaContext({ getRemainingTimeInMillis: () => lostAfterMs ?? FUNCTION_TIMEOUT_MS } as Context)
    const pay = makeIdempotent((order: Order): Promise<Receipt> => service.charge(order, order.id), {
      persistenceStore: new PostgresRecords(pool),
      config,
      keyPrefix: 'pay',
    })
    return { perform: (order) => pay(order), close: () => pool.end() }
  },
}

type Context = Parameters<IdempotencyConfig['registerLambdaContext']>[0]

class PostgresRecords extends BasePersistenceLayer {
  readonly #pool: pg.Pool

  constructor(pool: pg.Pool) {
    super()
    this.#pool = pool
  }

  protected override async _putRecord(record: IdempotencyRecord): Promise<void> {
    const values = [
      record.idempotencyKey,
      record.getStatus(),
      record.expiryTimestamp,
      record.inProgressExpiryTimestamp,
      Date.now(),
    ]
    const { rowCount } = await this.#pool.query({ name: 'put', text: PUT, values })
    if (rowCount !== 1) throw new IdempotencyItemAlreadyExistsError('It is recorded already.')
  }

  protected override async _getRecord(idempotencyKey: string): Promise<IdempotencyRecord> {
    const { rows } = await this.#pool.query({ name: 'get', text: GET, values: [idempotencyKey] })
    const row = rows[0]
    if (row === undefined) throw new IdempotencyItemNotFoundError('There is no such record.')
    return new IdempotencyRecord({
      idempotencyKey,
      status: row.status,
      expiryTimestamp: Number(row.expiry),
      inProgressExpiryTimestamp: Number(row.in_progress_expiry),
      responseData: row.response,
    } as ConstructorParameters<typeof IdempotencyRecord>[0])
  }

  protected override async _updateRecord(record: IdempotencyRecord): Promise<void> {
    const values = [
      record.idempotencyKey,
      record.getStatus(),
      record.expiryTimestamp,
      JSON.stringify(record.responseData),
    ]
    await this.#pool.query({ name: 'update', text: UPDATE, values })
  }

  protected override async _deleteRecord(record: IdempotencyRecord): Promise<void> {
    await this.#pool.query({ name: 'delete', text: DELETE, values: [record.idempotencyKey] })
  }
}

const RECORDS = `
CREATE TABLE IF NOT EXISTS records (
  id text PRIMARY KEY,
  status text NOT NULL,
  expiry bigint,
  in_progress_expiry bigint,
  response json
) WITH (fillfactor = 50)`

// The conditions of its own DynamoDB layer: the record has expired, or was in progress past its function's time.
const PUT = `
INSERT INTO records AS r (id, status, expiry, in_progress_expiry) VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE
SET status = excluded.status, expiry = excluded.expiry, in_progress_expiry = excluded.in_progress_expiry
WHERE r.expiry < $5::bigint / 1000 OR (r.status = 'INPROGRESS' AND r.in_progress_expiry < $5::bigint)`

const GET = 'SELECT status, expiry, in_progress_expiry, response FROM records WHERE id = $1'
const UPDATE = 'UPDATE records SET status = $2, expiry = $3, response = $4 WHERE id = $1'
const DELETE = 'DELETE FROM records WHERE id = $1'
