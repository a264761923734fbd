import fc from 'fast-check'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { ProtocolViolation } from '../../protocol/index.js'
import { asText, BEGINNING, cutAtParameters, ELSEWHERE, onlyIfBegun, textOf } from './tied-statement.js'

describe('values as text', () => {
  let client: Client
  beforeAll(async () => {
    client = new Client({ connectionString: inject('postgresUrl') })
    await client.connect()
  })
  afterAll(() => client.end())

  async function readBack(type: string, values: readonly unknown[]): Promise<unknown[]> {
    const { text, values: asTexts } = asText(`SELECT to_json($1::${type}) AS value`, values)
    const { rows } = await client.query<{ value: unknown }>(text, [...asTexts])
    return rows.map((row) => row.value)
  }

  test('arrays of any text come back equal', async () => {
    // PostgreSQL's text holds neither U+0000 nor lone surrogates; the journal refuses both before.
    const text = fc
      .oneof(
        fc.string({ unit: fc.constantFrom('"', '\\', '{', '}', ',', ' ', "'", 'N', 'NULL', '\n', '$1', '?') }),
        fc.string({ unit: 'grapheme' }),
      )
      .filter((each) => !each.includes('\u0000'))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(text), { maxLength: 20 }), async (texts) => {
        expect(await readBack('text[]', [texts])).toEqual([texts])
      }),
      { numRuns: 200 },
    )
  })

  test.each([
    ['boolean[]', [true, false, null]],
    ['integer[]', [1, -2, null]],
    ['double precision[]', [1.5, 1e21, 5e-324, null]],
    ['bigint[]', [9007199254740991, null]],
    ['json[]', ['{"a":"\\"b\\\\"}', 'null', null]],
    ['text[]', []],
    ['text', 'a'],
    ['text', null],
    ['boolean', false],
    ['integer', 7],
  ])('%s %j comes back equal', async (type, value) => {
    const expected = type === 'json[]' ? [{ a: '"b\\' }, null, null] : value
    expect(await readBack(type, [value])).toEqual([expected])
  })

  test('times are exact to the millisecond, whatever the zone', () => {
    expect(textOf(new Date(1_700_000_000_123))).toBe('2023-11-14T22:13:20.123Z')
  })

  test('what has no text form is refused', () => {
    for (const value of [{ a: 1 }, [{}], Symbol('s'), () => 1]) expect(() => textOf(value)).toThrow(ProtocolViolation)
  })
})

describe('parameters of a statement', () => {
  test('that are cast are declared as text; others, names and texts stay', () => {
    const { text } = asText(`SELECT $1::uuid[], $12::json, $2, '$3::int', "$4::int" FROM "a""$5::b"`, [])
    expect(text).toBe(`SELECT $1::text::uuid[], $12::text::json, $2, '$3::int', "$4::int" FROM "a""$5::b"`)
  })

  test('are cut out in the order of their places, as often as they are used', () => {
    const statement = { text: `a $2 b '$1' "c$1" $1::text $2`, values: ['one', null] }
    expect(cutAtParameters(statement)).toEqual({
      texts: ['a ', ` b '$1' "c$1" `, '::text ', ''],
      values: [null, 'one', null],
    })
  })

  test('without a value are a bug that is told', () => {
    expect(() => cutAtParameters({ text: 'SELECT $2', values: ['one'] })).toThrow(ProtocolViolation)
  })

  test('an array of arrays, which no statement of the journal has, is refused and not misread', () => {
    expect(() => asText('SELECT $1::text[][]', [[['a'], ['b']]])).toThrow(ProtocolViolation)
  })
})

describe('a statement tied to its transaction', () => {
  let client: Client
  beforeAll(async () => {
    client = new Client({ connectionString: inject('postgresUrl') })
    await client.connect()
  })
  afterAll(() => client.end())

  async function beginning(): Promise<string> {
    const { rows } = await client.query<{ began: string }>(BEGINNING.text)
    return rows[0]?.began ?? ''
  }

  // Also where the planner estimates with the values, and where the statement is planned before it has any.
  test.each([
    'SELECT * FROM unnest($1::text[]) AS value',
    'SELECT typname AS value FROM pg_type WHERE typname = ANY($1::name[])',
  ])('runs in it, and fails in any other: %s', async (sql) => {
    await client.query('BEGIN')
    const began = await beginning()
    const tied = onlyIfBegun(asText(sql, [['bool', 'int8']]), began)
    const run = async (name?: string) =>
      (await client.query({ text: tied.text, values: [...tied.values], ...(name && { name }) })).rows.length
    for (let i = 0; i < 7; i++) expect(await run(`${sql.length}`)).toBe(2)
    await client.query('COMMIT')
    await expect(run()).rejects.toThrow(ELSEWHERE)
    await client.query('BEGIN')
    await expect(run(`${sql.length}`)).rejects.toThrow(ELSEWHERE)
    await client.query('ROLLBACK')
  })

  test('fails outside of any, though it asked just before', async () => {
    const tied = onlyIfBegun(asText('SELECT $1::text', ['a']), await beginning())
    await expect(client.query(tied.text, [...tied.values])).rejects.toThrow(ELSEWHERE)
  })

  test('still goes by an index', async () => {
    await client.query('BEGIN')
    const tied = onlyIfBegun(asText('SELECT 1 FROM pg_class WHERE oid = ANY($1::oid[])', [[1, 2]]), await beginning())
    const { rows } = await client.query(`EXPLAIN ${tied.text}`, [...tied.values])
    await client.query('ROLLBACK')
    expect(JSON.stringify(rows)).toMatch(/Index (Only )?Scan|Bitmap Index Scan/)
  })

  test('cannot be one without a parameter to tie it by', () => {
    expect(() => onlyIfBegun(asText('SELECT 1'), '1')).toThrow(ProtocolViolation)
  })
})
