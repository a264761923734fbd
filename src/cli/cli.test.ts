import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'

/** The program as it is installed: built, in a process of its own. */
const BIN = resolve('dist/cli/main.js')

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** A user's project with this package and the given others installed. */
function project(...packages: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'counterfoil-cli-'))
  folders.push(folder)
  mkdirSync(join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'shop', private: true, type: 'module' }))
  symlinkSync(resolve('.'), join(folder, 'node_modules', 'counterfoil'), 'dir')
  for (const name of packages) symlinkSync(resolve('node_modules', name), join(folder, 'node_modules', name), 'dir')
  return folder
}

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly error: string
}

function counterfoil(cwd: string, ...args: readonly string[]): Promise<Ended> {
  return new Promise((done, reject) => {
    const child = spawn(process.execPath, [BIN, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
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

/** A user's module with one right effect and one that forgets the reference. The types are there in TypeScript only. */
function sample(typed: boolean): string {
  const t = (annotation: string): string => (typed ? annotation : '')
  return `
import { defineEffect, OutcomeUnknown } from 'counterfoil'
import { defineVerification, gatewayService } from 'counterfoil/testing'
${t("import type { Call } from 'counterfoil'\ninterface Order { readonly id: string }")}

async function pay(url${t(': string')}, order${t(': Order')}, call${t(': Call')}, key${t(': string')})${t(': Promise<{ id: string }>')} {
  const response = await fetch(url + '/v1/payment_intents', {
    method: 'POST',
    redirect: 'error',
    signal: call.signal,
    headers: { authorization: 'Bearer sk_test_shop', 'idempotency-key': key },
    body: new URLSearchParams({
      amount: '1200', currency: 'eur', confirm: 'true', payment_method: 'pm_card_visa', 'metadata[order_id]': order.id,
    }),
  })
  if (!response.ok) throw new OutcomeUnknown('http', String(response.status))
  return (await response.json())${t(' as { id: string }')}
}

const effectWith = (name${t(': string')}, keyOf${t(': (call: Call) => string')}) => ({
  effect: ({ url }${t(': { url: string }')}) =>
    defineEffect({
      name,
      key: (order${t(': Order')}) => order.id,
      provider: {
        idempotencyKey: { window: '24h' },
        execute: (order, call) => pay(url, order, call, keyOf(call)),
      },
    }),
  input: (id${t(': string')}) => ({ id }),
})

export default defineVerification({
  service: () => gatewayService({ level: 'keys' }),
  effects: [
    effectWith('charge', (call) => call.reference),
    effectWith('charge-anew', (call) => call.reference + '-' + call.attempt),
  ],
})
`
}

const NODE_LOADS_TYPESCRIPT = Boolean(Reflect.get(process.features, 'typescript'))

describe.concurrent('counterfoil verify', { timeout: 120_000 }, () => {
  it('ends with 0 where all holds, and says so', async () => {
    const cwd = project()
    writeFileSync(join(cwd, 'effects.js'), sample(false))
    const { code, out, error } = await counterfoil(cwd, 'verify', './effects.js', '--effect', 'charge')
    expect({ code, error }).toEqual({ code: 0, error: '' })
    expect(out).toMatch(/^charge: holds \(\d+ hold, 0 broken, \d+ not checked\)\n/)
    expect(out).not.toContain('charge-anew')
  })

  it('ends with 1 where something is broken, in words and as JSON', async () => {
    const cwd = project('tsx')
    writeFileSync(join(cwd, 'effects.ts'), sample(true))
    const { code, out } = await counterfoil(cwd, 'verify', './effects.ts', '--json', 'report.json')
    expect(code).toBe(1)
    expect(out).toContain('charge-anew: CAN BE MADE TWICE')
    expect(out).toContain('differs from the first in the header idempotency-key')
    const written: unknown = JSON.parse(readFileSync(join(cwd, 'report.json'), 'utf8'))
    expect(written).toMatchObject({
      ok: false,
      reports: [
        { effect: 'charge', ok: true, countedBy: 'books' },
        {
          effect: 'charge-anew',
          ok: false,
          checks: expect.arrayContaining([expect.objectContaining({ name: 'same_request_again', verdict: 'broken' })]),
        },
      ],
    })
  })

  it('loads TypeScript by jiti as well', async () => {
    const cwd = project('jiti')
    writeFileSync(join(cwd, 'effects.ts'), sample(true))
    const { code, out, error } = await counterfoil(cwd, 'verify', 'effects.ts', '--effect', 'charge')
    expect({ code, error }).toEqual({ code: 0, error: '' })
    expect(out).toContain('charge: holds')
  })

  it('says what to install where nothing can load TypeScript, or loads it with a Node that can', async () => {
    const cwd = project()
    writeFileSync(join(cwd, 'effects.ts'), sample(true))
    const { code, error } = await counterfoil(cwd, 'verify', 'effects.ts', '--effect', 'charge')
    if (NODE_LOADS_TYPESCRIPT) expect({ code, error }).toEqual({ code: 0, error: '' })
    else {
      expect(code).toBe(2)
      expect(error).toMatch(/effects\.ts is TypeScript, and nothing here can load that\. Install tsx/)
    }
  })

  it('takes a plain object too', async () => {
    const cwd = project()
    writeFileSync(join(cwd, 'effects.js'), sample(false).replace('defineVerification({', '({'))
    const { code, error } = await counterfoil(cwd, 'verify', 'effects.js', '--effect', 'charge')
    expect({ code, error }).toEqual({ code: 0, error: '' })
  })
})

describe('docs/verify.md', () => {
  const docs = readFileSync('docs/verify.md', 'utf8')

  it('shows an example that holds, to the letter', { timeout: 120_000 }, async () => {
    expect(docs).toContain(readFileSync('examples/verify.ts', 'utf8').trimEnd())
    const report = join(project(), 'report.json')
    const { code, error } = await counterfoil(resolve('.'), 'verify', 'examples/verify.ts', '--json', report)
    expect({ code, error }).toEqual({ code: 0, error: '' })
    const { reports } = JSON.parse(readFileSync(report, 'utf8')) as { reports: { checks: { name: string }[] }[] }
    const names = reports.flatMap(({ checks }) => checks.map(({ name }) => name))
    expect(names.filter((name) => !docs.includes(`\`${name}\``))).toEqual([])
    expect(names).toHaveLength(24)
  })
})

describe.concurrent('a command that cannot run ends with 2 and says why', { timeout: 60_000 }, () => {
  const cases: readonly [string, string, readonly string[], RegExp][] = [
    ['without a command', '', [], /Usage: counterfoil/],
    ['with a command that does not exist', '', ['verifi'], /unknown command 'verifi'.*\n.*verify/],
    ['without a module', '', ['verify'], /missing required argument 'module'/],
    ['with a file that is not there', '', ['verify', 'nothing.js'], /There is no file .*nothing\.js/],
    [
      'with a module that throws',
      'throw new Error("no configuration")',
      ['verify', 'effects.js'],
      /could not be loaded[^$]*no configuration/,
    ],
    [
      'with a module that exports something else',
      'export default 7',
      ['verify', 'effects.js'],
      /does not export a verification by default/,
    ],
    [
      'with an effect that is none of them',
      sample(false),
      ['verify', 'effects.js', '--effect', 'refund'],
      /There is no effect refund\. There are: charge, charge-anew/,
    ],
  ]

  it.each(cases)('%s', async (_name, module, args, words) => {
    const cwd = project()
    writeFileSync(join(cwd, 'effects.js'), module)
    const { code, error } = await counterfoil(cwd, ...args)
    expect(code).toBe(2)
    expect(error).toMatch(words)
  })

  it('and ends with 0 where it was asked for help', async () => {
    const { code, out } = await counterfoil(project(), 'verify', '--help')
    expect(code).toBe(0)
    expect(out).toContain('Exit codes: 0 all holds, 1 something is broken, 2 it could not run.')
  })
})
