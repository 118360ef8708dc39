import t from 'tap';
import { checkLayouts } from '../../src/engines/epoll/layouts.js';
import { isSupported, layoutOf, systemError } from '../../src/engines/epoll/libc.js';

const HERE = { skip: !isSupported() && 'the epoll engine is for Linux on x64 and arm64' };

t.test('structures of the kernel are where the epoll engine looks for them', HERE, async t => {
  t.doesNotThrow(() => checkLayouts());
});

t.test(
  'a structure that lies otherwise is named, with what was expected and what was found',
  HERE,
  async t => {
    const fields = { len: 'size_t', level: 'int' };
    const right = { fields, size: 16, offsets: { len: 0, level: 8 } };
    t.strictSame(layoutOf(fields), { size: 16, offsets: { len: 0, level: 8 } });
    t.doesNotThrow(() => checkLayouts({ cmsghdr: right }));
    t.throws(() => checkLayouts({ cmsghdr: { ...right, size: 12 } }), {
      message: 'struct cmsghdr: expected 12, got 16',
    });
    t.throws(() => checkLayouts({ cmsghdr: { ...right, offsets: { len: 0, level: 4 } } }), {
      message: 'struct cmsghdr.level: expected 4, got 8',
    });
  },
);

t.test('error numbers become system errors with their code', HERE, async t => {
  t.match(systemError(111), { code: 'ECONNREFUSED', errno: 111 });
  t.match(systemError(28), { code: 'ENOSPC', errno: 28 }, 'also one that the engine does not tell apart');
  t.match(systemError(9_999), { code: 'errno 9999', errno: 9_999 });
});
