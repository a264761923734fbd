import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { testDatabase } from '../../test/support/postgres.js'
import { Counterfoil } from '../counterfoil.js'
import { defineEffect } from '../engine/index.js'
import { type PostgresTransaction, postgresJournal } from '../journal/postgres/index.js'
import { EffectInDoubt, NotExecuted, OutcomeUnknown } from '../protocol/index.js'

/** The program as it is installed: built, in a process of its own. */
const BIN = resolve('dist/cli/main.js')

/** What the user's module and this test have in common. */
const NAMES = { name: 'charge', timeout: 500, maxAttempts: 1, patience: 0, maxFindFailures: 1 } as const

let folder: string
let database: Awaited<ReturnType<typeof testDatabase>>
let pool: Pool
beforeAll(async () => {
  database = await testDatabase(inject('postgresUrl'))
  pool = new Pool({ connectionString: database.connectionString, max: 4 })
  folder = mkdtempSync(join(tmpdir(), 'counterfoil-cli-resume-'))
  mkdirSync(join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'shop', private: true, type: 'module' }))
  symlinkSync(resolve('.'), join(folder, 'node_modules', 'counterfoil'), 'dir')
  symlinkSync(resolve('node_modules/pg'), join(folder, 'node_modules', 'pg'), 'dir')
  writeFileSync(join(folder, 'shop.js'), shopModule(database.connectionString))
  writeFileSync(join(folder, 'other.js'), 'export default { no: "counterfoil" }')
})
afterAll(async () => {
  await pool.end()
  await database.drop()
  rmSync(folder, { recursive: true, force: true })
})

/** The user's module, in which the service is back, and knows of no order but those that say so. */
function shopModule(connectionString: string): string {
  return `
import { Counterfoil, defineEffect } from 'counterfoil'
import { postgresJournal } from 'counterfoil/postgres'
import pg from 'pg'

const charge = defineEffect({
  ...${JSON.stringify(NAMES)},
  key: (order) => order.id,
  provider: {
    execute: async (order) => ({ id: 'ch_' + order.id }),
    find: async (order) => (order.id.startsWith('found') ? { id: 'ch_' + order.id } : null),
    settlesWithin: '1h',
  },
})
const pool = new pg.Pool({ connectionString: ${JSON.stringify(connectionString)} })
export default new Counterfoil({ journal: postgresJournal(pool), effects: [charge] })
`
}

/** Parks an order: its service is down, or its answer is lost. */
async function park(id: string, error: Error): Promise<void> {
  const charge = defineEffect<{ readonly id: string }, { readonly id: string }, PostgresTransaction>({
    ...NAMES,
    key: (order) => order.id,
    provider: {
      execute: () => Promise.reject(error),
      find: () => Promise.reject(new Error('It is down.')),
      settlesWithin: '1h',
    },
    retryDelay: { first: 1, longest: 1 },
  })
  const counterfoil = new Counterfoil({ journal: postgresJournal(pool, { listen: false }), effects: [charge] })
  const failed: unknown = await counterfoil.perform(charge, { id }).catch((reason: unknown) => reason)
  expect(failed).toBeInstanceOf(EffectInDoubt)
  expect((failed as EffectInDoubt).state).toBe('parked')
}

async function stateOf(id: string): Promise<unknown> {
  const { rows } = await pool.query('select state, reason from counterfoil.entries where key = $1', [id])
  return rows[0]
}

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly error: string
}

function counterfoil(...args: readonly string[]): Promise<Ended> {
  return node(BIN, ...args)
}

/** The same on a system that has no name for its user, as in a container that runs under any number. */
function namelessly(...args: readonly string[]): Promise<Ended> {
  const nameless = `
import { syncBuiltinESMExports } from 'node:module'
import os from 'node:os'
os.userInfo = () => { throw new Error('uv_os_get_passwd returned ENOENT') }
syncBuiltinESMExports()`
  return node('--import', `data:text/javascript,${encodeURIComponent(nameless)}`, BIN, ...args)
}

function node(...args: readonly string[]): Promise<Ended> {
  return new Promise((done, reject) => {
    const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
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

const BY = ['--actor', 'ada', '--reason', 'the service is back']

describe('counterfoil resume', { timeout: 60_000 }, () => {
  it('has tried again what did not happen, and settles what did', async () => {
    await park('down', new NotExecuted('unavailable', 'It is down.'))
    await park('found', new OutcomeUnknown('timeout', 'There was no answer.'))
    const { code, out, error } = await counterfoil('resume', './shop.js', 'charge', 'down', 'found', ...BY)
    expect({ code, error }).toEqual({ code: 0, error: '' })
    expect(out).toBe(
      'charge down: resumed. It did not happen, and is made by the next process that runs start().\n' +
        'charge found: succeeded. The service was asked, and knew.\n',
    )
    expect(await stateOf('down')).toMatchObject({
      state: 'pending',
      reason: { code: 'resumed', detail: { actor: 'ada' } },
    })
    expect(await stateOf('found')).toMatchObject({ state: 'succeeded' })
  })

  it('ends with 1 where one may still appear, and leaves it parked', async () => {
    await park('early', new OutcomeUnknown('timeout', 'There was no answer.'))
    const { code, out } = await counterfoil('resume', './shop.js', 'charge', 'early', 'unknown', ...BY)
    expect(code).toBe(1)
    expect(out).toContain('charge early: unchanged (may_still_appear).')
    expect(out).toContain('charge unknown: unchanged (no_such_effect).')
    expect(await stateOf('early')).toMatchObject({ state: 'parked' })
  })

  it('ends with 2 where it has no reason, no such effect, or no Counterfoil', async () => {
    expect((await counterfoil('resume', './shop.js', 'charge', 'any')).code).toBe(2)
    expect(await counterfoil('resume', './shop.js', 'refund', 'any', ...BY)).toMatchObject({
      code: 2,
      error: expect.stringContaining('The effect "refund" is not among the effects'),
    })
    expect(await counterfoil('resume', './other.js', 'charge', 'any', ...BY)).toMatchObject({
      code: 2,
      error: expect.stringContaining('export default new Counterfoil'),
    })
  })

  it('asks for --actor where the system has no name for its user, and for help needs none', async () => {
    const [, , ...reason] = BY
    const { code, error } = await namelessly('resume', './shop.js', 'charge', 'any', ...reason)
    expect(code).toBe(2)
    expect(error).toMatch(/no name for its user\. Say who acts: --actor/)
    expect(await namelessly('resume', './shop.js', 'charge', 'unknown', ...BY)).toMatchObject({ code: 1, error: '' })
    for (const args of [['--help'], ['resume', '--help'], ['verify', '--help']]) {
      expect(await namelessly(...args)).toMatchObject({ code: 0, error: '' })
    }
  })
})
