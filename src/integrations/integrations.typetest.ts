import type { EntityManager as MikroOrmEntityManager } from '@mikro-orm/postgresql'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import type { Knex } from 'knex'
import type { ControlledTransaction, Kysely } from 'kysely'
import type { Client, Pool, PoolClient } from 'pg'
import type { ReservedSql, Sql } from 'postgres'
import type { Sequelize } from 'sequelize'
import type { DataSource, QueryRunner } from 'typeorm'
import type { PostgresTransaction } from '../journal/postgres/index.js'
import { fromDrizzle } from './drizzle.js'
import { fromKnex } from './knex.js'
import { fromKysely } from './kysely.js'
import { fromMikroOrm } from './mikro-orm.js'
import { fromPg, toPg, toPgPool } from './pg.js'
import { fromPostgresJs } from './postgres-js.js'
import { fromSequelize } from './sequelize.js'
import { fromTypeOrm } from './typeorm.js'

/**
 * Compiled with the tests, never run: each library's own type of a transaction is taken without a cast, and what is no
 * transaction is an error where the library's types tell the two apart. (Prisma's types are generated:
 * examples/outbox/prisma/typetest.ts.)
 */
interface Tables {
  readonly orders: { readonly id: string; readonly cents: number }
}

export function ofPg(client: Client, pooled: PoolClient, pool: Pool): PostgresTransaction[] {
  // @ts-expect-error: each query of a pool may go to another connection
  void fromPg(pool)
  return [fromPg(client), fromPg(pooled)]
}

export function ofPostgresJs(sql: Sql, typed: Sql<{ bigint: bigint }>, reserved: ReservedSql): void {
  void sql.begin((tx) => fromPostgresJs(tx))
  void sql.begin('isolation level serializable', (tx) => fromPostgresJs(tx))
  void sql.begin((tx) => tx.savepoint((nested) => fromPostgresJs(nested)))
  void typed.begin((tx) => fromPostgresJs(tx))
  // @ts-expect-error: the outer sql is no transaction
  void fromPostgresJs(sql)
  // @ts-expect-error: nor is a reserved connection
  void fromPostgresJs(reserved)
}

export function ofDrizzle(
  nodePostgres: NodePgDatabase<Record<string, unknown>>,
  postgresJs: PostgresJsDatabase<Record<string, unknown>>,
): void {
  void nodePostgres.transaction(async (tx) => fromDrizzle(tx))
  void nodePostgres.transaction((tx) => tx.transaction(async (nested) => fromDrizzle(nested)))
  void postgresJs.transaction(async (tx) => fromDrizzle(tx))
  // @ts-expect-error: the database is no transaction
  void fromDrizzle(nodePostgres)
  // @ts-expect-error: nor on another driver
  void fromDrizzle(postgresJs)
}

export function ofKysely(db: Kysely<Tables>, controlled: ControlledTransaction<Tables>): void {
  void db.transaction().execute(async (trx) => fromKysely(trx))
  void fromKysely(controlled)
  // @ts-expect-error: the database is no transaction
  void fromKysely(db)
  // @ts-expect-error: not awaited
  void fromKysely(db.startTransaction().execute())
}

export async function ofKnex(knex: Knex): Promise<void> {
  void knex.transaction(async (trx) => fromKnex(trx))
  void fromKnex(await knex.transaction())
  // @ts-expect-error: the instance is no transaction
  void fromKnex(knex)
  // @ts-expect-error: not awaited
  void fromKnex(knex.transaction())
}

export function ofTypeOrm(dataSource: DataSource, runner: QueryRunner): void {
  void dataSource.transaction(async (manager) => fromTypeOrm(manager))
  void fromTypeOrm(runner)
  // @ts-expect-error: the data source is no transaction
  void fromTypeOrm(dataSource)
}

export function ofMikroOrm(em: MikroOrmEntityManager): void {
  void em.transactional(async (inner) => fromMikroOrm(inner))
}

export function ofSequelize(sequelize: Sequelize): void {
  void sequelize.transaction(async (transaction) => fromSequelize(transaction))
  // @ts-expect-error: the instance is no transaction
  void fromSequelize(sequelize)
  // @ts-expect-error: not awaited
  void fromSequelize(sequelize.transaction())
}

/** On the journal's transaction: what is typed for a client or a pool of `pg` takes it. */
export function onPg(tx: PostgresTransaction): [PoolClient, { connect(): Promise<PoolClient> }] {
  return [toPg(tx), toPgPool(tx)]
}
