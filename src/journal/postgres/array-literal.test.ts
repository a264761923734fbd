import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MigratedDatabase, migratedDatabase } from '../../../test/support/postgres.js'
import { bareArray, textArray } from './array-literal.js'

describe('arrays as text', () => {
  let database: MigratedDatabase
  beforeAll(async () => {
    database = await migratedDatabase()
  })
  afterAll(() => database.close())

  const readBack = async (literal: string, type: string): Promise<unknown> =>
    (await database.pool.query(`SELECT to_json($1::${type}[]) AS back`, [literal])).rows[0]?.back

  test('any text comes to the server as it was given', async () => {
    const text = fc.option(
      fc.string({ unit: 'binary' }).filter((each) => !each.includes('\u0000')),
      { nil: null },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(text), async (values) => {
        expect(await readBack(textArray(values), 'text')).toEqual(values)
      }),
    )
    const nasty = ['', 'NULL', 'null', '"', '\\', '{}', ',', ' a ', '\\"', '{"a":"b\\"c"}', '\n', "'"]
    expect(await readBack(textArray(nasty), 'text')).toEqual(nasty)
  })

  test('so do numbers, truth values and words, and what is missing', async () => {
    expect(await readBack(bareArray([1, -2.5, 1e21, null, 0]), 'double precision')).toEqual([1, -2.5, 1e21, null, 0])
    expect(await readBack(bareArray([true, null, false]), 'boolean')).toEqual([true, null, false])
    expect(await readBack(bareArray(['executing', 'a_b-C.1', null]), 'text')).toEqual(['executing', 'a_b-C.1', null])
    expect(await readBack(bareArray([null, 'x']), 'text')).toEqual([null, 'x'])
    expect(await readBack(bareArray([]), 'text')).toEqual([])
  })
})
