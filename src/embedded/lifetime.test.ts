import { existsSync, readdirSync, symlinkSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ends, type Starter, startStarter } from '../../test/support/starter.js'
import { startEmbeddedPostgres } from './index.js'

const asRoot = process.getuid?.() === 0
const NOBODY = { uid: 65_534, gid: 65_534 }

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'embedded-test-'))
  await chmod(folder, 0o755)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const pidOf = (starter: Starter): number => Number(starter.words[1])

async function numbersIn(connectionString: string): Promise<Set<number>> {
  const client = new Client({ connectionString })
  await client.connect()
  const { rows } = await client.query<{ n: number }>('SELECT n FROM numbers')
  await client.end()
  return new Set(rows.map((row) => row.n))
}

/** A PATH on which one program is missing. */
async function pathWithout(program: string): Promise<string> {
  const bin = join(folder, `without-${program}`)
  await mkdir(bin)
  const linked = new Set<string>()
  for (const source of (process.env.PATH ?? '').split(delimiter)) {
    if (!existsSync(source)) continue
    for (const name of readdirSync(source)) {
      // Not by existsSync, which follows a link and calls one that leads nowhere absent.
      if (name === program || linked.has(name)) continue
      linked.add(name)
      symlinkSync(join(source, name), join(bin, name))
    }
  }
  return bin
}

describe.each([
  ['the kernel tells the server', undefined, 2],
  ['a watchdog tells the server (no setpriv here)', 'setpriv', 1],
  ['no flock is at hand', 'flock', 1],
])('a SIGKILLed process, when %s', (_, without, rounds) => {
  it('takes its server down, and no acknowledged row is lost', async () => {
    const environment = without === undefined ? {} : { PATH: await pathWithout(without) }
    const dataDir = join(folder, `killed-${without}`)
    const acknowledged: number[] = []
    for (let round = 0; round < rounds; round++) {
      const starter = await startStarter({ options: { dataDir }, writers: 4, environment })
      // Rounds write numbers of their own: those of the last one are still there.
      if (round === 0) await starter.acknowledges(200)
      await starter.kill()
      acknowledged.push(...starter.acknowledged)
      // The next start is at once: it must wait for the old server to be gone, not fight it.
      const server = await startEmbeddedPostgres({ dataDir })
      expect(await ends(pidOf(starter))).toBe(true)
      const found = await numbersIn(server.connectionString)
      expect(acknowledged.filter((n) => !found.has(n))).toEqual([])
      await server.stop()
    }
    expect(acknowledged.length).toBeGreaterThanOrEqual(200)
  })
})

describe('a process with an embedded PostgreSQL', () => {
  it('takes its server with it when it just exits, and the next start removes the temporary folder', async () => {
    const starter = await startStarter()
    const dataDir = starter.words[3] ?? ''
    expect(existsSync(dataDir)).toBe(true)
    await starter.leave()
    expect(await ends(pidOf(starter))).toBe(true)
    await (await startEmbeddedPostgres()).stop()
    expect(existsSync(dataDir)).toBe(false)
  })

  it("answers Ctrl-C itself: the terminal's signal does not reach the server", async () => {
    const starter = await startStarter({ writers: 1 })
    process.kill(-(starter.child.pid ?? 0), 'SIGINT')
    await starter.acknowledges(starter.acknowledged.length + 100)
    await starter.leave()
    expect(await ends(pidOf(starter))).toBe(true)
  })

  it('keeps its folder from a second process, which is told so', async () => {
    const dataDir = join(folder, 'shared')
    const first = await startStarter({ options: { dataDir }, writers: 1 })
    const second = await startStarter({ options: { dataDir } })
    expect(second.words).toEqual(['refused', 'data_dir_in_use'])
    await first.acknowledges(first.acknowledged.length + 10)
    await first.kill()
    expect(await ends(pidOf(first))).toBe(true)
  })

  it('may be one of four that start for the first time at once, whatever their umask', async () => {
    const cacheDir = join(folder, 'first-cache')
    const plans = ['022', '022', '077', '077'].map((umask) => ({ options: { cacheDir }, umask }))
    const starters = await Promise.all(plans.map(startStarter))
    expect(starters.map((starter) => starter.words[0])).toEqual(['ready', 'ready', 'ready', 'ready'])
    expect(readdirSync(cacheDir)).toEqual([expect.stringMatching(/^template-18/)])
    await Promise.all(starters.map((starter) => starter.leave()))
    expect(await Promise.all(starters.map((starter) => ends(pidOf(starter))))).toEqual([true, true, true, true])
  })

  it.runIf(asRoot)('may be an ordinary user, with a cache and a data folder of its own', async () => {
    const home = join(folder, 'home')
    await mkdir(home)
    await chown(home, NOBODY.uid, NOBODY.gid)
    const environment = { HOME: home, XDG_CACHE_HOME: join(home, 'cache') }
    const dataDir = join(home, 'data')
    const starter = await startStarter({ options: { dataDir }, user: NOBODY, environment, writers: 1 })
    expect(starter.words[0]).toBe('ready')
    await starter.acknowledges(10)
    await starter.kill()
    // Root, too, may open it: the files stay with their owner.
    const server = await startEmbeddedPostgres({ dataDir })
    const found = await numbersIn(server.connectionString)
    expect(starter.acknowledged.filter((n) => !found.has(n))).toEqual([])
    await server.stop()
    const again = await startStarter({ options: { dataDir }, user: NOBODY, environment })
    expect(again.words[0]).toBe('ready')
    await again.leave()
    expect(await ends(pidOf(again))).toBe(true)
  })
})

describe('a SIGKILL of the whole server in the middle of writes', () => {
  it('loses no acknowledged row', async () => {
    const server = await startEmbeddedPostgres()
    const setup = new Client({ connectionString: server.connectionString })
    await setup.connect()
    await setup.query('CREATE TABLE numbers (n int PRIMARY KEY)')
    await setup.end()
    const acknowledged: number[] = []
    let next = 0
    for (let round = 1; round <= 3; round++) {
      const enough = round * 150
      await new Promise<void>((killed, failed) => {
        const write = async (): Promise<void> => {
          const client = new Client({ connectionString: server.connectionString })
          client.on('error', () => undefined)
          await client.connect()
          for (;;) {
            const n = next++
            await client.query('INSERT INTO numbers VALUES ($1)', [n])
            acknowledged.push(n)
            if (acknowledged.length === enough) server.kill().then(killed, failed)
          }
        }
        // Each writer ends by the kill.
        for (let writer = 0; writer < 4; writer++) write().catch(() => undefined)
      })
      await server.restart()
      const found = await numbersIn(server.connectionString)
      expect(acknowledged.filter((n) => !found.has(n))).toEqual([])
      expect(acknowledged.length).toBeGreaterThanOrEqual(enough)
    }
    await server.stop()
  })
})
