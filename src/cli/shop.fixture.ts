import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Pool } from 'pg'
import { testDatabase } from '../../test/support/postgres.js'
import { Counterfoil } from '../counterfoil.js'
import { defineEffect } from '../engine/index.js'
import { type PostgresTransaction, postgresJournal } from '../journal/postgres/index.js'
import { EffectInDoubt, OutcomeUnknown } from '../protocol/index.js'

/** The program as it is installed: built, in a process of its own. */
const BIN = resolve('dist/cli/main.js')

/** What the user's module and the tests have in common. */
const NAMES = { name: 'charge', timeout: 500, maxAttempts: 1, patience: 0, maxFindFailures: 1 } as const

const NAMELESS = `data:text/javascript,${encodeURIComponent(`
import { syncBuiltinESMExports } from 'node:module'
import os from 'node:os'
os.userInfo = () => { throw new Error('uv_os_get_passwd returned ENOENT') }
syncBuiltinESMExports()`)}`

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly error: string
}

/** A user's project with a database of its own, in which `shop.js` exports a Counterfoil and `other.js` something else. */
export interface Shop {
  readonly pool: Pool
  /** Performs an order whose service is down, or whose answer is lost: it is parked. */
  park(id: string, error: Error): Promise<void>
  /** Books an order at a service that nobody can ask, whose answer is lost: it is parked. */
  parkBlindly(id: string): Promise<void>
  /** Bills an order at a service whose books are the table `operations`. */
  bill(id: string): Promise<void>
  /** Performs an order that goes well. */
  perform(id: string): Promise<void>
  /** Runs the program in the project. */
  counterfoil(...args: readonly string[]): Promise<Ended>
  /** The same on a system that has no name for its user, as in a container that runs under any number. */
  namelessly(...args: readonly string[]): Promise<Ended>
  close(): Promise<void>
}

export async function openShop(postgresUrl: string): Promise<Shop> {
  const database = await testDatabase(postgresUrl)
  const pool = new Pool({ connectionString: database.connectionString, max: 4 })
  const folder = projectIn(mkdtempSync(join(tmpdir(), 'counterfoil-cli-shop-')), database.connectionString)
  return {
    pool,
    park: (id, error) => parked(performing(pool, id, error), id),
    parkBlindly: (id) => parked(booking(pool, id), id),
    bill: (id) => billing(pool, id),
    perform: async (id) => {
      await performing(pool, id, null)
    },
    counterfoil: (...args) => run(folder, [BIN, ...args]),
    namelessly: (...args) => run(folder, ['--import', NAMELESS, BIN, ...args]),
    close: async () => {
      await pool.end()
      await database.drop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function performing(pool: Pool, id: string, error: Error | null): Promise<unknown> {
  const charge = defineEffect<{ readonly id: string }, { readonly id: string }, PostgresTransaction>({
    ...NAMES,
    key: (order) => order.id,
    provider: {
      execute: () => (error === null ? Promise.resolve({ id: `ch_${id}` }) : Promise.reject(error)),
      find: () => Promise.reject(new Error('It is down.')),
      settlesWithin: '1h',
    },
    retryDelay: { first: 1, longest: 1 },
  })
  const counterfoil = new Counterfoil({ journal: postgresJournal(pool, { listen: false }), effects: [charge] })
  return counterfoil.perform(charge, { id })
}

function booking(pool: Pool, id: string): Promise<unknown> {
  const book = defineEffect<{ readonly id: string }, unknown, PostgresTransaction>({
    name: 'book',
    key: (order) => order.id,
    provider: { execute: () => Promise.reject(new OutcomeUnknown('timeout', 'There was no answer.')), inDoubt: 'park' },
    retryDelay: { first: 1, longest: 1 },
  })
  const counterfoil = new Counterfoil({ journal: postgresJournal(pool, { listen: false }), effects: [book] })
  return counterfoil.perform(book, { id })
}

/** What the service of the bills has on its books; `undone` counts how often each was undone. */
const BOOKS = `create table if not exists operations (id text primary key, reference text, key text, cents int not null,
  undone int not null default 0, made_at timestamptz not null default clock_timestamp())`

async function billing(pool: Pool, id: string): Promise<void> {
  await pool.query(BOOKS)
  const bill = defineEffect<{ readonly id: string }, { readonly id: string }, PostgresTransaction>({
    name: 'bill',
    key: (order) => order.id,
    provider: {
      execute: async (_order, { reference }) => {
        await pool.query('insert into operations values ($1, $2, $3, 700)', [`bl_${id}`, reference, id])
        return { id: `bl_${id}` }
      },
      inDoubt: 'park',
    },
  })
  const counterfoil = new Counterfoil({ journal: postgresJournal(pool, { listen: false }), effects: [bill] })
  await counterfoil.perform(bill, { id })
}

async function parked(performed: Promise<unknown>, id: string): Promise<void> {
  const failed: unknown = await performed.catch((reason: unknown) => reason)
  if (!(failed instanceof EffectInDoubt && failed.state === 'parked')) throw new Error(`${id} was not parked.`)
}

function projectIn(folder: string, connectionString: string): string {
  mkdirSync(join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'shop', private: true, type: 'module' }))
  symlinkSync(resolve('.'), join(folder, 'node_modules', 'counterfoil'), 'dir')
  symlinkSync(resolve('node_modules/pg'), join(folder, 'node_modules', 'pg'), 'dir')
  writeFileSync(join(folder, 'shop.js'), shopModule(connectionString))
  writeFileSync(join(folder, 'other.js'), 'export default { no: "counterfoil" }')
  return folder
}

/** The user's module, in which the service is back, and knows of no order but those that say so. */
function shopModule(connectionString: string): string {
  return `
import { Counterfoil, defineEffect } from 'counterfoil'
import { postgresJournal } from 'counterfoil/postgres'
import pg from 'pg'

const pool = new pg.Pool({ connectionString: ${JSON.stringify(connectionString)} })
const charge = defineEffect({
  ...${JSON.stringify(NAMES)},
  key: (order) => order.id,
  provider: {
    execute: async (order) => ({ id: 'ch_' + order.id }),
    find: async (order) => (order.id.startsWith('found') ? { id: 'ch_' + order.id } : null),
    settlesWithin: '1h',
  },
})
const book = defineEffect({
  name: 'book',
  key: (order) => order.id,
  provider: { execute: async (order) => ({ id: 'bk_' + order.id }), inDoubt: 'park' },
})
const bill = defineEffect({
  name: 'bill',
  key: (order) => order.id,
  provider: {
    execute: async (order) => ({ id: 'bl_' + order.id }),
    inDoubt: 'park',
    amount: () => ({ minorUnits: 700, currency: 'eur' }),
    cancel: async ({ externalId }) => {
      await pool.query('update operations set undone = undone + 1 where id = $1', [externalId])
      return { id: 're_' + externalId }
    },
    list: async function* () {
      const { rows } = await pool.query('select * from operations')
      for (const { id: externalId, reference, key, cents: minorUnits, undone, made_at } of rows) {
        const amount = { minorUnits, currency: 'eur', undoneMinorUnits: undone > 0 ? minorUnits : 0 }
        yield { externalId, reference, key, createdAtMs: +made_at, state: undone > 0 ? 'undone' : 'live', amount }
      }
    },
    settlesWithin: '1ms',
  },
})
export default new Counterfoil({ journal: postgresJournal(pool), effects: [charge, book, bill] })
`
}

function run(cwd: string, args: readonly string[]): Promise<Ended> {
  return new Promise((done, reject) => {
    const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    const said = { out: '', error: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said.out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said.error += text
    })
    child.once('error', reject)
    child.once('close', (code) => done({ code, ...said }))
  })
}
