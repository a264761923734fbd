import { spawn } from 'node:child_process'
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
}

function run(...args: readonly string[]): Promise<Ended> {
  return new Promise((done, reject) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    child.once('error', reject)
    child.once('close', (code) => done({ code, out }))
  })
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
  expect(out).not.toMatch(/SURVIVES|NOT MADE|BROKEN/)
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
