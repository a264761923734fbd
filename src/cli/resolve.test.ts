import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { testDatabase } from '../../test/support/postgres.js'
import { Counterfoil } from '../counterfoil.js'
import { defineEffect } from '../engine/index.js'
import { type PostgresTransaction, postgresJournal } from '../journal/postgres/index.js'
import { EffectInDoubt, OutcomeUnknown } from '../protocol/index.js'

/** The program as it is installed: built, in a process of its own. */
const BIN = resolve('dist/cli/main.js')

let folder: string
let database: Awaited<ReturnType<typeof testDatabase>>
let pool: Pool
beforeAll(async () => {
  database = await testDatabase(inject('postgresUrl'))
  pool = new Pool({ connectionString: database.connectionString, max: 4 })
  folder = mkdtempSync(join(tmpdir(), 'counterfoil-cli-resolve-'))
  mkdirSync(join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'shop', private: true, type: 'module' }))
  symlinkSync(resolve('.'), join(folder, 'node_modules', 'counterfoil'), 'dir')
  symlinkSync(resolve('node_modules/pg'), join(folder, 'node_modules', 'pg'), 'dir')
  writeFileSync(join(folder, 'shop.js'), shopModule(database.connectionString))
})
afterAll(async () => {
  await pool.end()
  await database.drop()
  rmSync(folder, { recursive: true, force: true })
})

/** The user's module, whose service nobody can ask. */
function shopModule(connectionString: string): string {
  return `
import { Counterfoil, defineEffect } from 'counterfoil'
import { postgresJournal } from 'counterfoil/postgres'
import pg from 'pg'

const charge = defineEffect({
  name: 'charge',
  key: (order) => order.id,
  provider: { execute: async (order) => ({ id: 'ch_' + order.id }), inDoubt: 'park' },
})
const pool = new pg.Pool({ connectionString: ${JSON.stringify(connectionString)} })
export default new Counterfoil({ journal: postgresJournal(pool), effects: [charge] })
`
}

/** Parks an order in doubt: its answer is lost. */
async function park(id: string): Promise<void> {
  const charge = defineEffect<{ readonly id: string }, { readonly id: string }, PostgresTransaction>({
    name: 'charge',
    key: (order) => order.id,
    provider: {
      execute: () => Promise.reject(new OutcomeUnknown('timeout', 'There was no answer.')),
      inDoubt: 'park',
    },
    retryDelay: { first: 1, longest: 1 },
  })
  const counterfoil = new Counterfoil({ journal: postgresJournal(pool, { listen: false }), effects: [charge] })
  await expect(counterfoil.perform(charge, { id })).rejects.toThrow(EffectInDoubt)
}

async function entryOf(id: string): Promise<unknown> {
  const columns = 'state, receipt, external_id, forced_by'
  const { rows } = await pool.query(`select ${columns} from counterfoil.entries where key = $1`, [id])
  return rows[0]
}

function counterfoil(...args: readonly string[]): Promise<{ code: number | null; out: string; error: string }> {
  return new Promise((done, reject) => {
    const child = spawn(process.execPath, [BIN, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
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

const BY = ['--actor', 'ada', '--reason', 'I looked there']
const MARK = 'ada: I looked there'

describe('counterfoil resolve', { timeout: 60_000 }, () => {
  it('ends a doubt as its person says, and marks it so', async () => {
    await park('yes')
    await park('no')
    const receipt = ['--receipt', '{"id":"ch_9"}', '--json', 'yes.json']
    const yes = await counterfoil('resolve', './shop.js', 'charge', 'yes', '--happened', ...receipt, ...BY)
    expect(yes).toEqual({ code: 0, error: '', out: `charge yes: succeeded, by hand. It stays marked: ${MARK}\n` })
    const json: unknown = JSON.parse(readFileSync(join(folder, 'yes.json'), 'utf8'))
    expect(json).toEqual({ effect: 'charge', key: 'yes', kind: 'forced', state: 'succeeded', forcedBy: MARK })
    const stands = { state: 'succeeded', receipt: { id: 'ch_9' }, external_id: 'ch_9', forced_by: MARK }
    expect(await entryOf('yes')).toEqual(stands)
    const no = await counterfoil('resolve', './shop.js', 'charge', 'no', '--did-not-happen', ...BY)
    expect(no).toEqual({ code: 0, error: '', out: `charge no: failed, by hand. It stays marked: ${MARK}\n` })
    expect(await entryOf('no')).toMatchObject({ state: 'failed', forced_by: MARK })
    const opposite = await counterfoil('resolve', './shop.js', 'charge', 'yes', '--did-not-happen', ...BY)
    expect(opposite).toMatchObject({ code: 1, out: expect.stringContaining('charge yes: unchanged (not_parked).') })
    expect(await entryOf('yes')).toEqual(stands)
  })

  it('ends with 2, and does nothing, where it is not told what is to be known', async () => {
    await park('unsaid')
    const about = ['resolve', './shop.js', 'charge', 'unsaid']
    expect((await counterfoil(...about, '--did-not-happen')).code).toBe(2)
    const said: [readonly string[], string][] = [
      [[], 'either --happened or --did-not-happen'],
      [['--happened', '--did-not-happen'], 'either --happened or --did-not-happen'],
      [['--happened'], 'needs a --receipt'],
      [['--happened', '--receipt', '{id:1}'], '--receipt is no JSON'],
      [['--did-not-happen', '--receipt', '{}'], 'has no --receipt'],
    ]
    const ends = await Promise.all(said.map(([args]) => counterfoil(...about, ...args, ...BY)))
    expect(ends).toMatchObject(said.map(([, words]) => ({ code: 2, error: expect.stringContaining(words) })))
    expect(await entryOf('unsaid')).toMatchObject({ state: 'parked', forced_by: null })
  })
})
