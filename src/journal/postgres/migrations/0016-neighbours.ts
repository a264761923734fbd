import type { Migration } from './migration.js'

/**
 * Ids of entries begin with what their keys have in common that are used one after the other (`entryId`). Entries of
 * before would not be found by their keys any more, and what they did would be done again: so a journal that has any is
 * refused, whole. No release wrote such a journal.
 *
 * Breaking: a program that does not know this step would look for entries by ids that they do not have.
 */
export const neighbours: Migration = {
  version: 16,
  breaking: true,
  sql: (schema) => `
DO $$ BEGIN
  IF EXISTS (SELECT FROM ${schema}.entries) OR EXISTS (SELECT FROM ${schema}.history) THEN
    RAISE EXCEPTION 'It holds entries whose ids are of the form before the first release. Nothing was changed. Finish '
      'them with the program that wrote them, and give this one another schema.'
      USING ERRCODE = 'feature_not_supported';
  END IF;
END $$;
`,
}
