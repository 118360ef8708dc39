import { z } from 'zod';
import { expected, flag, forward, jsonSchemaOf, path, text } from './fields.js';

/** TLS as a table; `tls = true` stands for the empty one. */
const tlsTable = z.strictObject({
  ca_file: path('Certificates (PEM) to trust instead of the well-known authorities.').optional(),
  cert_file: path('Certificate (PEM) to show to a server that asks for one.').optional(),
  key_file: path('Private key (PEM) of cert_file.').optional(),
  verify: flag("Whether the server's certificate is checked.").prefault(true),
  server_name: text(
    /^[A-Za-z0-9_.:-]{1,253}$/,
    'a host name or IP address',
    "Name that the server's certificate must have; otherwise the address that is probed.",
  ).optional(),
});

export type TlsConfig = Readonly<z.output<typeof tlsTable>>;
export type TlsInput = boolean | z.input<typeof tlsTable>;

/** `tls`: false, true or a table. */
export const tlsField: z.ZodType<TlsConfig | false, TlsInput> = z
  .unknown()
  .transform((value, context): TlsConfig | false => {
    if (value === false) return false;
    if (value !== true && (typeof value !== 'object' || value === null || Array.isArray(value))) {
      context.addIssue({ code: 'custom', message: expected('true, false or a table', value).message });
      return z.NEVER;
    }
    const result = tlsTable.safeParse(value === true ? {} : value);
    if (result.success) return result.data;
    forward(context, result.error);
    return z.NEVER;
  })
  .meta({
    description: 'redis, postgres: whether to log in over TLS, or a table that says how.',
    anyOf: [{ type: 'boolean' }, jsonSchemaOf(tlsTable)],
  }) as z.ZodType<TlsConfig | false, unknown> as z.ZodType<TlsConfig | false, TlsInput>;
