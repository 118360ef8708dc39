import { jsonSchemaOf } from './fields.js';
import { configSchema } from './schema.js';

export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly [keyword: string]: unknown;
}

/** The JSON Schema (draft 7) of a configuration file, for editors; lb4.schema.json holds it. */
export function configJsonSchema(): JsonSchema {
  const { type, properties, ...rest } = jsonSchemaOf(configSchema) as JsonSchema;
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'lb4 configuration',
    type,
    properties,
    ...rest,
  };
}

/** lb4.schema.json as it must be on disk. */
export function schemaFileText(): string {
  return `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
}
