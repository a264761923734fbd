import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from '../fault.js'
import { NO_SMALL_DISK } from '../small-disk.js'
import { OUTAGE_MS, PARTITION_MS } from '../timing.js'
import type { World } from '../world.js'

export const databaseRestarted: Fault = {
  name: 'database-restarted',
  what: 'PostgreSQL is restarted without a checkpoint (-m immediate)',
  everyMs: 20_000,
  strike: (world) => world.postgres.restart({ mode: 'immediate' }),
}

export const connectionsTerminated: Fault = {
  name: 'connections-terminated',
  what: 'half of the connections to PostgreSQL are terminated',
  everyMs: 4_000,
  async strike(world, dice) {
    const { rows } = await world.pool.query<{ pid: number }>(
      `select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() order by pid`,
    )
    const pids = rows.map((row) => row.pid).filter(() => dice.chance(0.5))
    await world.pool.query('select pg_terminate_backend(pid) from unnest($1::integer[]) as t (pid)', [pids])
  },
}

export const databaseCut: Fault = {
  name: 'database-cut',
  what: 'the connections between one worker and PostgreSQL are reset for a while',
  everyMs: 9_000,
  async strike(world, dice) {
    const { toDatabase } = dice.pick(world.places)
    toDatabase.cut()
    await sleep(PARTITION_MS)
    toDatabase.open('reset')
  },
}

export const databaseBlackhole: Fault = {
  name: 'database-blackhole',
  what: 'nothing passes between one worker and PostgreSQL for a while; then all of it does, late, or the connections end',
  everyMs: 9_000,
  async strike(world, dice) {
    const { toDatabase } = dice.pick(world.places)
    const held = dice.chance(0.5) ? 'deliver' : 'reset'
    toDatabase.blackhole()
    await sleep(PARTITION_MS)
    toDatabase.open(held)
  },
}

export const databaseSlow: Fault = {
  name: 'database-slow',
  what: 'every packet between one worker and PostgreSQL takes up to 150 ms longer',
  everyMs: 11_000,
  async strike(world, dice) {
    const { toDatabase } = dice.pick(world.places)
    toDatabase.delay(20 + dice.below(130))
    await sleep(PARTITION_MS)
    toDatabase.open('deliver')
  },
}

export const diskFull: Fault = {
  name: 'disk-full',
  what: "PostgreSQL's disk has no room left for a while",
  everyMs: 25_000,
  needs: 'small-disk',
  cannot: (world) => (world.disk === null ? NO_SMALL_DISK : null),
  async strike(world) {
    await world.pool.query('create table if not exists ballast (of text)')
    try {
      await world.disk?.fill()
      await provokeFullDisk(world)
      await sleep(OUTAGE_MS)
    } finally {
      await world.disk?.free()
      await untilDatabaseAnswers(world)
    }
  },
}

/** Four megabytes must not fit; a server that ended by them says the same. */
async function provokeFullDisk(world: World): Promise<void> {
  const write = `insert into ballast select string_agg(md5(random()::text), '') from generate_series(1, 131072)`
  const fitted = await world.pool.query(write).then(
    () => true,
    () => false,
  )
  if (fitted) throw new Error('The disk was not full.')
}

/** A server that could not write its log has ended, and perhaps could not recover while there was no room. */
async function untilDatabaseAnswers(world: World): Promise<void> {
  for (;;) {
    if (world.postgres.pid === undefined) await world.postgres.restart({ mode: 'kill' }).catch(() => undefined)
    const answers = await world.pool.query('truncate ballast').catch(() => null)
    if (answers !== null) return
    await sleep(100)
  }
}
