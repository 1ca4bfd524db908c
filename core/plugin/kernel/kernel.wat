;; The memory an Extism guest talks to, as a module of its own: traffic between
;; guest and memory stays between two WASM instances and never enters JavaScript.
;;
;; Page 0 belongs to the kernel: the words below, and a table of the blocks that
;; were handed out. The rest is the heap of one call. A guest reaches the heap
;; only, below its top, and the heap is wiped before the next call begins.
;;
;;   0  output: start     4  output: length     8  error: start     12  error: length
;;   1024..65536  blocks: start, length (8 bytes each), in the order of their starts
(module
  (memory (export "memory") 2 64)
  (global $heap (mut i32) (i32.const 65536))     ;; first free byte, a multiple of 16
  (global $blocks (mut i32) (i32.const 0))       ;; entries of the table in use
  (global $input (mut i32) (i32.const 0))        ;; length of the input, which is block 0

  ;; Host: begins a call whose input has at most $n bytes. Gives the place to write it to, 0 where there is no room.
  (func (export "begin") (param $n i32) (result i32)
    (memory.fill (i32.const 65536) (i32.const 0) (i32.sub (global.get $heap) (i32.const 65536)))
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 16))
    (global.set $heap (i32.const 65536))
    (global.set $blocks (i32.const 0))
    (global.set $input (i32.const 0))
    (i32.wrap_i64 (call $alloc (i64.extend_i32_u (local.get $n)))))

  ;; Host: the input has $n bytes, no more than announced; what was too much is free again.
  (func (export "seal") (param $n i32)
    (global.set $input (local.get $n))
    (i32.store (i32.const 1028) (local.get $n))
    (global.set $heap (call $after (i32.add (i32.const 65536) (local.get $n)))))

  (func $after (param $p i32) (result i32)
    (i32.and (i32.add (local.get $p) (i32.const 15)) (i32.const -16)))

  ;; Guest: a block of $n bytes, or 0.
  (func $alloc (export "alloc") (param $n i64) (result i64)
    (local $end i64) (local $pages i32) (local $start i32)
    (if (i64.eqz (local.get $n)) (then (return (i64.const 0))))
    (if (i64.gt_u (local.get $n) (i64.const 4194304)) (then (return (i64.const 0))))
    (if (i32.ge_u (global.get $blocks) (i32.const 8064)) (then (return (i64.const 0))))
    (local.set $start (global.get $heap))
    (local.set $end (i64.add (i64.extend_i32_u (local.get $start)) (i64.add (local.get $n) (i64.const 16))))
    (local.set $pages (i32.wrap_i64 (i64.shr_u (i64.add (local.get $end) (i64.const 65535)) (i64.const 16))))
    (if (i32.gt_u (local.get $pages) (memory.size))
      (then
        (if (i32.eq (memory.grow (i32.sub (local.get $pages) (memory.size))) (i32.const -1))
          (then (return (i64.const 0))))))
    (i32.store offset=1024 (i32.shl (global.get $blocks) (i32.const 3)) (local.get $start))
    (i32.store offset=1028 (i32.shl (global.get $blocks) (i32.const 3)) (i32.wrap_i64 (local.get $n)))
    (global.set $blocks (i32.add (global.get $blocks) (i32.const 1)))
    (global.set $heap (call $after (i32.add (local.get $start) (i32.wrap_i64 (local.get $n)))))
    (i64.extend_i32_u (local.get $start)))

  ;; Guest: gives a block back. Only the newest one becomes room again; the input stays.
  (func (export "free") (param $p i64)
    (local $last i32)
    (if (i32.le_u (global.get $blocks) (i32.const 1)) (then (return)))
    (local.set $last (i32.shl (i32.sub (global.get $blocks) (i32.const 1)) (i32.const 3)))
    (if (i64.ne (local.get $p) (i64.extend_i32_u (i32.load offset=1024 (local.get $last)))) (then (return)))
    (memory.fill (i32.wrap_i64 (local.get $p)) (i32.const 0) (i32.sub (global.get $heap) (i32.wrap_i64 (local.get $p))))
    (global.set $heap (i32.wrap_i64 (local.get $p)))
    (global.set $blocks (i32.sub (global.get $blocks) (i32.const 1))))

  ;; Length of the block that starts at $p, 0 where none does. The table is sorted, so it is halved.
  (func $size (export "size") (param $p i32) (result i32)
    (local $low i32) (local $high i32) (local $middle i32) (local $start i32)
    (local.set $high (global.get $blocks))
    (block $none
      (loop $halve
        (br_if $none (i32.ge_u (local.get $low) (local.get $high)))
        (local.set $middle (i32.shr_u (i32.add (local.get $low) (local.get $high)) (i32.const 1)))
        (local.set $start (i32.load offset=1024 (i32.shl (local.get $middle) (i32.const 3))))
        (if (i32.eq (local.get $start) (local.get $p))
          (then (return (i32.load offset=1028 (i32.shl (local.get $middle) (i32.const 3))))))
        (if (i32.lt_u (local.get $start) (local.get $p))
          (then (local.set $low (i32.add (local.get $middle) (i32.const 1))))
          (else (local.set $high (local.get $middle))))
        (br $halve)))
    (i32.const 0))

  (func $length (export "length") (param $p i64) (result i64)
    (if (i64.gt_u (local.get $p) (i64.const 0xffffffff)) (then (return (i64.const 0))))
    (i64.extend_i32_u (call $size (i32.wrap_i64 (local.get $p)))))
  (func (export "length_unsafe") (param $p i64) (result i64) (call $length (local.get $p)))

  ;; Traps unless $n bytes at $p lie in the heap; gives the address. No sum can wrap: both are below 2^22 first.
  (func $reach (param $p i64) (param $n i64) (result i32)
    (if (i64.gt_u (i64.sub (local.get $p) (i64.const 65536)) (i64.const 4194304)) (then (unreachable)))
    (if (i64.gt_u (local.get $n) (i64.const 4194304)) (then (unreachable)))
    (if (i64.gt_u (i64.add (local.get $p) (local.get $n)) (i64.extend_i32_u (global.get $heap))) (then (unreachable)))
    (i32.wrap_i64 (local.get $p)))

  (func (export "load_u8") (param $p i64) (result i32) (i32.load8_u (call $reach (local.get $p) (i64.const 1))))
  (func (export "load_u64") (param $p i64) (result i64) (i64.load (call $reach (local.get $p) (i64.const 8))))
  (func (export "store_u8") (param $p i64) (param $v i32)
    (i32.store8 (call $reach (local.get $p) (i64.const 1)) (local.get $v)))
  (func (export "store_u64") (param $p i64) (param $v i64)
    (i64.store (call $reach (local.get $p) (i64.const 8)) (local.get $v)))

  (func (export "input_offset") (result i64) (i64.const 65536))
  (func (export "input_length") (result i64) (i64.extend_i32_u (global.get $input)))
  (func (export "input_load_u8") (param $i i64) (result i32)
    (if (i64.ge_u (local.get $i) (i64.extend_i32_u (global.get $input))) (then (unreachable)))
    (i32.load8_u offset=65536 (i32.wrap_i64 (local.get $i))))
  (func (export "input_load_u64") (param $i i64) (result i64)
    (if (i64.ge_u (local.get $i) (i64.extend_i32_u (global.get $input))) (then (unreachable)))
    (if (i64.gt_u (i64.add (local.get $i) (i64.const 8)) (i64.extend_i32_u (global.get $input))) (then (unreachable)))
    (i64.load offset=65536 (i32.wrap_i64 (local.get $i))))

  (func (export "output_set") (param $p i64) (param $n i64)
    (i32.store (i32.const 0) (i32.const 0))
    (i32.store (i32.const 4) (i32.const 0))
    (if (i64.eqz (local.get $n)) (then (return)))
    (i32.store (i32.const 0) (call $reach (local.get $p) (local.get $n)))
    (i32.store (i32.const 4) (i32.wrap_i64 (local.get $n))))

  ;; A block that is not one traps; 0 takes the error back.
  (func (export "error_set") (param $p i64)
    (i32.store (i32.const 8) (i32.const 0))
    (i32.store (i32.const 12) (i32.const 0))
    (if (i64.eqz (local.get $p)) (then (return)))
    (if (i64.eqz (call $length (local.get $p))) (then (unreachable)))
    (i32.store (i32.const 8) (i32.wrap_i64 (local.get $p)))
    (i32.store (i32.const 12) (i32.wrap_i64 (call $length (local.get $p))))))
