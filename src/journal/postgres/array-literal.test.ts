import fc from 'fast-check'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../../test/support/postgres.js'
import { bareArray, jsonTexts, textArray } from './array-literal.js'
import { jsonList } from './statement.js'

describe('arrays as text', () => {
  let database: TestDatabase
  let client: Client
  beforeAll(async () => {
    database = await testDatabase()
    client = new Client({ connectionString: database.connectionString })
    await client.connect()
  })
  afterAll(async () => {
    await client.end()
    await database.drop()
  })

  const readBack = async (literal: string, type: string): Promise<unknown> =>
    (await client.query(`SELECT to_json($1::${type}[]) AS back`, [literal])).rows[0]?.back

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

  test('any JSON comes to the server as it was given, and what is missing as null', async () => {
    const json = fc.option(
      fc.jsonValue().map((value) => JSON.stringify(value).replaceAll('\\u0000', '0')),
      { nil: null },
    )
    const back = async (values: readonly (string | null)[]): Promise<unknown> => {
      const text = `SELECT array_agg(i.item::text ORDER BY i.at) AS back, count(*)::int AS count
        FROM unnest($2::integer[], ${jsonList('$1')}) AS i (at, item)`
      return (await client.query(text, [jsonTexts(values), values.map((_, at) => at)])).rows[0]
    }
    await fc.assert(
      fc.asyncProperty(fc.array(json, { minLength: 1 }), async (values) => {
        expect(await back(values)).toEqual({ back: values, count: values.length })
      }),
    )
    const nasty = ['""', '"\\u0001"', '"\\\\"', '{"a":","}', null, '[]', '"NULL"']
    expect(await back(nasty)).toEqual({ back: nasty, count: nasty.length })
    expect(await back([null])).toEqual({ back: [null], count: 1 })
  })

  test('so do numbers, truth values and words, and what is missing', async () => {
    expect(await readBack(bareArray([1, -2.5, 1e21, null, 0]), 'double precision')).toEqual([1, -2.5, 1e21, null, 0])
    expect(await readBack(bareArray([true, null, false]), 'boolean')).toEqual([true, null, false])
    expect(await readBack(bareArray(['executing', 'a_b-C.1', null]), 'text')).toEqual(['executing', 'a_b-C.1', null])
    expect(await readBack(bareArray([null, 'x']), 'text')).toEqual([null, 'x'])
    expect(await readBack(bareArray([]), 'text')).toEqual([])
  })
})
