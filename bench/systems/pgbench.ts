import type { PgbenchForm, System } from '../system.js'

function pgbench(form: PgbenchForm, title: string): System {
  return {
    name: form === 'batched' ? 'pgbench-batched' : 'pgbench',
    title,
    promise:
      'Nothing: the two statements without the call, by PostgreSQL’s own load generator. It is what the database can do.',
    docs: 'https://www.postgresql.org/docs/current/pgbench.html',
    isQueue: false,
    takesOverItself: false,
    pgbench: form,
    open: () => Promise.reject(new Error('pgbench is a program of its own.')),
  }
}

export const pgbenchOneByOne: System = pgbench('one by one', 'pgbench, two commits')
export const pgbenchBatched: System = pgbench('batched', 'pgbench, batched')
