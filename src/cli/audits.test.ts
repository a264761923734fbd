import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import type { AuditRun, Finding } from '../protocol/index.js'
import { openShop, type Shop } from './shop.fixture.js'

const BY = ['--actor', 'ada', '--reason', 'billed twice']
const NO_ID = '00000000-0000-8000-8000-000000000000'

let shop: Shop
beforeEach(async () => {
  shop = await openShop(inject('postgresUrl'))
  await shop.bill('one')
})
afterEach(() => shop.close())

/** The service has a second operation beside one that stands, or the amount of one is another. */
async function billAgain(id: string, times = 1): Promise<void> {
  const again = `insert into operations select 'again_' || i || id, reference, key, cents
    from operations, generate_series(1, $2) as i where id = $1`
  await shop.pool.query(again, [`bl_${id}`, times])
}

async function run(command: string, ...args: readonly string[]) {
  return shop.counterfoil(command, './shop.js', ...args)
}

async function findings(...args: readonly string[]): Promise<{ findings: Finding[]; more: boolean }> {
  return JSON.parse((await run('findings', '--json', ...args)).out) as { findings: Finding[]; more: boolean }
}

/** How often each operation was undone at the service. */
async function undone(): Promise<Record<string, number>> {
  const { rows } = await shop.pool.query<{ id: string; undone: number }>('select id, undone from operations')
  return Object.fromEntries(rows.map((row) => [row.id, row.undone]))
}

describe('an audit from the command line', { timeout: 60_000 }, () => {
  it('sends nothing until a person has approved and another command says so, and then undoes once', async () => {
    await billAgain('one')
    const audited = await run('reconcile', 'bill')
    expect(audited).toMatchObject({ code: 1, error: '' })
    expect(audited.out).toMatch(/^audit \S+ of bill: complete, .* UTC to .* UTC\n2 listed, 0 not ours, 1 matched/)
    expect(audited.out).toMatch(/^duplicate +open +1 +700 eur$/m)
    const found = await run('findings')
    expect(found).toMatchObject({ code: 1, error: '' })
    expect(found.out).toMatch(/^FINDING +STATUS +KIND +EFFECT +KEY +OPERATION +MINOR UNITS +WHAT$/m)
    expect(found.out).toMatch(/open +duplicate +bill +one +again_1bl_one +700 eur +It is live beside bl_one/)
    const id = (await findings()).findings[0]?.id ?? ''

    expect(await run('repair')).toEqual({ code: 0, error: '', out: 'Nothing is approved that is not repaired.\n' })
    const approved = await run('approve', id, ...BY)
    const stands = `${id} duplicate again_1bl_one: approved by ada: billed twice\n`
    expect(approved).toEqual({ code: 0, error: '', out: stands })
    const dry = await run('repair', '--effect', 'bill')
    expect(dry).toMatchObject({
      code: 1,
      error: '',
      out: expect.stringContaining('Nothing was sent. With --undo, these 1'),
    })
    expect(await run('reconcile', 'bill')).toMatchObject({ code: 1 })
    expect(await undone()).toEqual({ bl_one: 0, again_1bl_one: 0 })

    const both = await Promise.all([run('repair', '--undo'), run('repair', '--undo')])
    expect(both.map(({ code }) => code)).toEqual([0, 0])
    expect(both.map(({ out }) => out).join('')).toContain(`${id} duplicate again_1bl_one: repaired.`)
    expect(await run('reconcile', 'bill', '--repair', 'ask')).toMatchObject({ code: 0, error: '' })
    expect(await undone()).toEqual({ bl_one: 0, again_1bl_one: 1 })
    expect(await run('findings')).toEqual({ code: 0, error: '', out: 'There is no such finding.\n' })
    expect((await findings('--status', 'repaired')).findings).toMatchObject([
      { id, status: 'repaired', decidedBy: 'ada' },
    ])
  })

  it('undoes what is approved where it is told to ask, and leaves what was dismissed', async () => {
    await billAgain('one', 2)
    await run('reconcile', 'bill')
    const [first, second] = (await findings()).findings
    await run('approve', first?.id ?? '', ...BY)
    const dismissed = await run('dismiss', second?.id ?? '', '--json', ...BY)
    expect(dismissed).toMatchObject({ code: 0, error: '' })
    expect(JSON.parse(dismissed.out)).toMatchObject({ findings: [{ status: 'dismissed', note: 'billed twice' }] })
    expect((await run('reconcile', 'bill', '--repair', 'ask')).code).toBe(0)
    expect(await undone()).toEqual({
      bl_one: 0,
      [first?.externalId ?? '']: 1,
      [second?.externalId ?? '']: 0,
    })
  })

  it('is listed with what it found, the latest first and in pages, and so are its findings', async () => {
    await billAgain('one', 3)
    await shop.pool.query("insert into operations values ('odd', null, 'nobody', 700)")
    await shop.bill('two')
    await shop.pool.query("update operations set cents = 900 where id = 'bl_two'")
    const first = JSON.parse((await run('reconcile', 'bill', '--since', '2h', '--json')).out) as AuditRun
    const second = JSON.parse((await run('reconcile', 'bill', '--json')).out) as AuditRun
    const listed = await run('audits', '--limit', '1')
    expect(listed).toMatchObject({ code: 0, error: '' })
    expect(listed.out).toMatch(/^STARTED +AUDIT +EFFECT +FROM +TO +STATE +LISTED +FINDINGS$/m)
    expect(listed.out).toMatch(new RegExp(`${second.id} +bill .* complete +6 +4 open$`, 'm'))
    expect(listed.out).toContain(`There are more: --after ${second.id}\n`)
    const rest = JSON.parse((await run('audits', '--json', '--after', second.id)).out) as unknown
    expect(rest).toEqual({ audits: [first], more: false })

    const all = (await findings('--run', first.id)).findings
    expect(all).toHaveLength(4)
    const page = await findings('--run', first.id, '--limit', '3')
    expect(page).toEqual({ findings: all.slice(0, 3), more: true })
    expect(await findings('--run', first.id, '--after', all[2]?.id ?? '')).toEqual({
      findings: all.slice(3),
      more: false,
    })
    const mismatches = await findings('--effect', 'bill', '--kind', 'mismatch')
    expect(mismatches.findings).toMatchObject([{ externalId: 'bl_two', code: 'amount' }])
    expect((await findings('--kind', 'duplicate', '--kind', 'mismatch')).findings).toHaveLength(4)
  })

  it('ends with 2 and decides nothing where any of what it is told makes no sense', async () => {
    await billAgain('one')
    await shop.bill('two')
    await shop.pool.query("update operations set cents = 900 where id = 'bl_two'")
    await run('reconcile', 'bill')
    const { findings: all } = await findings()
    const duplicate = all.find(({ kind }) => kind === 'duplicate')?.id ?? ''
    const mismatch = all.find(({ kind }) => kind === 'mismatch')?.id ?? ''
    const wrong: [readonly string[], string][] = [
      [['approve', duplicate], 'required option'],
      [['approve', duplicate, NO_ID, ...BY], `There is no finding ${NO_ID}`],
      [['approve', duplicate, 'nonsense', ...BY], 'There is no finding nonsense'],
      [['approve', duplicate, mismatch, ...BY], 'not repaired by undoing'],
      [['dismiss', duplicate, '--reason', ' ', '--actor', 'ada'], 'Say why'],
      [['reconcile', 'refund'], 'The effect "refund" is not among the effects'],
      [['reconcile', 'book'], 'has no `list`'],
      [['reconcile', 'bill', '--since', 'soon'], 'since'],
      [['reconcile', 'bill', '--from', '2026-02-31'], 'It is a day'],
      [['reconcile', 'bill', '--from', '2026-02-03T10:00'], 'It is a day'],
      [['reconcile', 'bill', '--repair', 'auto'], 'dry-run, ask'],
      [['findings', '--kind', 'odd'], 'It is one of: duplicate'],
      [['findings', '--run', NO_ID], `There is no audit ${NO_ID}`],
      [['findings', '--after', 'nonsense'], 'is no id of a finding'],
      [['audits', '--after', 'nonsense'], 'there is no audit nonsense'],
      [['audits', '--effect', 'refund'], 'The effect "refund" is not among the effects'],
    ]
    for (const [[command = '', ...args], words] of wrong) {
      expect(await run(command, ...args)).toMatchObject({ code: 2, error: expect.stringContaining(words) })
    }
    expect((await findings()).findings).toEqual(all)
    expect(await undone()).toEqual({ bl_one: 0, bl_two: 0, again_1bl_one: 0 })
  })
})
