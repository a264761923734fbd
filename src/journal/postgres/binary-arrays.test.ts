import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MigratedDatabase, migratedDatabase } from '../../../test/support/postgres.js'
import { binaryArrays } from './binary-arrays.js'

const text = fc.option(
  fc.string({ unit: 'binary' }).filter((each) => !each.includes('\u0000')),
  { nil: null },
)
const json = fc.option(
  fc.jsonValue().map((value) => JSON.stringify(value).replaceAll('\\u0000', '0')),
  { nil: null },
)
const NASTY = ['', 'NULL', '"', '\\', '{}', ',', '\n', 'é', 'a€', '🧾', `x${'ß'.repeat(500)}`, null]

describe('arrays in binary', () => {
  let database: MigratedDatabase
  beforeAll(async () => {
    database = await migratedDatabase()
  })
  afterAll(() => database.close())

  /** What a statement has of its arrays, each element as text. */
  async function readBack(arrays: readonly Buffer[], types: readonly string[]): Promise<unknown> {
    const columns = types.map((type, i) => `to_json($${i + 1}::${type}[]::text[]) AS c${i}`)
    const { rows } = await database.pool.query(`SELECT ${columns.join(', ')}`, [...arrays])
    return types.map((_, i) => rows[0][`c${i}`])
  }

  test('all of one statement come to the server as they were given', async () => {
    const ids = fc.array(fc.uuid())
    await fc.assert(
      fc.asyncProperty(ids, fc.array(text), fc.array(json), fc.array(text), async (uuids, texts, jsons, others) => {
        const arrays = binaryArrays([
          ['uuid', uuids],
          ['text', texts],
          ['json', jsons],
          ['text', others],
        ])
        expect(await readBack(arrays, ['uuid', 'text', 'json', 'text'])).toEqual([uuids, texts, jsons, others])
      }),
    )
    expect(await readBack(binaryArrays([['text', NASTY]]), ['text'])).toEqual([NASTY])
    const jsons = ['""', '"\\u0001"', '{"a":","}', null, '[]', '"NULL"', '{"b":1,"a":2}', ' 1']
    expect(await readBack(binaryArrays([['json', jsons]]), ['json'])).toEqual([jsons])
  })

  test('those of one statement stay as they are when those of the next are made', async () => {
    const long = Array.from({ length: 3_000 }, (_, i) => `${i} ${'é€'.repeat(20)}`)
    const first = binaryArrays([['text', ['first', null]]])
    const second = binaryArrays([
      ['text', long],
      ['uuid', long.map(() => randomUUID())],
      ['json', long.map((each) => JSON.stringify(each))],
    ])
    binaryArrays([['text', ['third', 'third']]])
    expect(await readBack(first, ['text'])).toEqual([['first', null]])
    expect(await readBack(second, ['text', 'uuid', 'json'])).toMatchObject([
      long,
      { length: long.length },
      { length: 3_000 },
    ])
  })

  test('what no text of PostgreSQL can hold is refused by it, as bad data', async () => {
    const refused = readBack(binaryArrays([['text', ['a\u0000b']]]), ['text'])
    await expect(refused).rejects.toMatchObject({ code: '22021' })
    await expect(readBack(binaryArrays([['json', ['{']]]), ['json'])).rejects.toMatchObject({ code: '22P02' })
  })
})
