import { Counterfoil } from 'counterfoil'
import { postgresJournal } from 'counterfoil/postgres'
import pg from 'pg'

export const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  connectionTimeoutMillis: 3_000,
  query_timeout: 6_000,
})
export const counterfoil = new Counterfoil({ journal: postgresJournal(pool), effects: [] })

/** Whether it was written: one process at a time writes a customer's statement, and a late one changes nothing. */
export async function writeStatement(customer: string, compose: () => Promise<string>): Promise<boolean> {
  return counterfoil.withLease(`customer ${customer}`, { ttl: '30s', wait: '10s' }, async (lease) => {
    const body = await compose()
    // Right before a step: is it still ours? Pass `lease.signal` to what can be stopped.
    lease.throwIfLost()
    // Where the other side can refuse a smaller fence, it has the last word.
    const { rowCount } = await pool.query(
      'UPDATE statements SET body = $2, fence = $3 WHERE customer = $1 AND fence < $3',
      [customer, body, lease.fence],
    )
    return rowCount === 1
  })
}
