import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, expect, inject, test } from 'vitest'

/** The program as `npm run simulate` starts it: built, in a process of its own. */
const PROGRAM = resolve('build/simulate/main.js')

const folder = mkdtempSync(join(tmpdir(), 'counterfoil-simulate-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly errors: string
}

function run(...args: readonly string[]): Promise<Ended> {
  return start(...args).ended
}

function start(...args: readonly string[]): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<Ended>((done, reject) => {
    let out = ''
    let errors = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text
    })
    child.once('error', reject)
    child.once('close', (code) => done({ code, out, errors }))
  })
  return { child, ended }
}

interface Figures {
  readonly seeds: number
  readonly histories: number
  readonly exhaustive: readonly unknown[]
  readonly violations: readonly unknown[]
  readonly mutants: readonly { readonly name: string; readonly killedAtSeed: number | null }[]
  readonly sql: { readonly seeds: number; readonly operations: number; readonly differences: readonly unknown[] }
}

test('every deliberate bug is found within the seeds that it is given', async () => {
  const file = join(folder, 'figures.json')
  const { code, out } = await run('--mutants', '--random', '--seeds', '100', '--json', file)
  expect(out).not.toMatch(/SURVIVES|NOT MADE|NOT SEEN|BROKEN/)
  expect(code).toBe(0)
  const figures = JSON.parse(readFileSync(file, 'utf8')) as Figures
  expect(figures).toMatchObject({ seeds: 100, histories: 100, exhaustive: [], violations: [] })
  expect(figures.mutants.length).toBeGreaterThanOrEqual(20)
  expect(new Set(figures.mutants.map(({ name }) => name)).size).toBe(figures.mutants.length)
  for (const { killedAtSeed } of figures.mutants) expect(killedAtSeed).toBeGreaterThan(0)
}, 180_000)

test('a seed is told the same by two processes, byte for byte', async () => {
  const [once, again] = await Promise.all([run('--seed', '7'), run('--seed', '7')])
  expect(once.code).toBe(0)
  expect(once.out.split('\n').length).toBeGreaterThan(20)
  expect(again.out).toBe(once.out)
})

test('histories are done again on PostgreSQL, and counted', async () => {
  const file = join(folder, 'sql.json')
  const where = ['--postgres', inject('postgresUrl')]
  const { code, out } = await run('--sql', '--sql-seeds', '5', '--from', '100', ...where, '--json', file)
  expect(out).toMatch(/Histories done again on PostgreSQL: 5 \(seeds 100 to 104\), \d+ operations\n.*the same on both/)
  expect(code).toBe(0)
  const figures = JSON.parse(readFileSync(file, 'utf8')) as Figures
  expect(figures).toMatchObject({ seeds: 0, histories: 0, violations: [], sql: { seeds: 5, differences: [] } })
  expect(figures.sql.operations).toBeGreaterThan(100)
}, 60_000)

const REFUSED = ['--threads 0', '--threads many', '--minutes abc', '--minutes 0', '--seeds 0', '--seeds 1e99', '--fast']

test.each([...REFUSED, '--sql-seeds -1', '--seed ', '--doubt hope'])(
  '%s is refused, and not taken for nothing to do or for ever',
  async (flags) => {
    const { code, out, errors } = await run('--random', ...flags.split(' '))
    expect(code).toBe(2)
    expect(out).toBe('')
    expect(errors).toMatch(/^error: /)
  },
)

test('a run that has played nothing has not passed', async () => {
  const { code, out } = await run('--random', '--minutes', '0.0000001')
  expect(out).toMatch(/NONE was played/)
  expect(code).toBe(1)
})

test('a run that is stopped tells what it has played', async () => {
  const { child, ended } = start('--random', '--seeds', '100000000', '--threads', '1')
  child.stderr?.once('data', () => child.kill('SIGINT'))
  const { code, out } = await ended
  expect(out).toMatch(/Histories by chance: \d+ /)
  expect(out).toMatch(/STOPPED before its end/)
  expect(code).toBe(130)
}, 60_000)
