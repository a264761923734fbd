import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from '../fault.js'
import { PARTITION_MS } from '../timing.js'

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
