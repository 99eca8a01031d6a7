# 63 instructions are executed by one call (static; hardware counter).
# rustc 1.95.0, written by benches/assembly/update.sh.

<kymo_call_static>:
	mov    ...(%rip),%rax
	movzbl (%rax),%eax
	cmp    $0x2,%al
	jbe    <kymo_call_static+0x1b>
	lea    ...(%rip),%rdi
	jmp    *0x938dd(%rip)        # <_DYNAMIC+0x368>
	ret

<kymo::export::shared0>:
	push   %rbx
	mov    %rdi,%rbx
	mov    %fs:0x0,%rax
	lea    -0x70(%rax),%rax
	mov    (%rax),%rsi
	test   %rsi,%rsi
	je     <kymo::export::shared0+0x11e>
	mov    %rax,%rcx
	movq   $0x0,(%rax)
	mov    0x48(%rsi),%rax
	movzbl 0x140(%rax),%eax
	cmp    $0x1,%al
	je     <kymo::export::shared0+0x4f>
	movzbl %al,%eax
	test   %eax,%eax
	jne    <kymo::export::shared0+0x11b>
	rdtsc
	shl    $0x20,%rdx
	or     %rax,%rdx
	jmp    <kymo::export::shared0+0x59>
	mov    ...(%rip),%rax
	mov    (%rax),%rdx
	mov    0x38(%rsi),%rax
	lea    0x10(%rax),%rdi
	cmp    0x40(%rsi),%rdi
	ja     <kymo::export::shared0+0x11b>
	shl    $0x10,%rbx
	or     $0x10,%rbx
	mov    %rbx,(%rax)
	mov    %rdx,0x8(%rax)
	mov    %rdi,0x38(%rsi)
	mov    0x20(%rsi),%rax
	mov    0x28(%rsi),%r8
	mov    0x30(%rsi),%rdi
	mov    0x108(%rax),%rdx
	lea    (%rdx,%rdx,1),%r9
	neg    %r9
	xor    %r10d,%r10d
	cmp    %rdi,%r8
	cmova  %r9,%r10
	mov    %rdx,%r9
	sub    %rdi,%r9
	add    %r8,%r9
	add    %r10,%r9
	cmp    $0x1,%r9
	ja     <kymo::export::shared0+0xe7>
	mov    (%rax),%r8
	mov    %r8,0x28(%rsi)
	mov    0x20(%rsi),%rax
	mov    0x108(%rax),%rdx
	lea    (%rdx,%rdx,1),%r9
	neg    %r9
	xor    %r10d,%r10d
	sub    %rdi,%r8
	cmova  %r9,%r10
	add    %r8,%r10
	add    %rdx,%r10
	cmp    $0x2,%r10
	jb     <kymo::export::shared0+0x127>
	mov    0x30(%rsi),%rdi
	lea    -0x2(,%rdx,2),%r8
	add    %rdx,%rdx
	mov    $0x2,%r9d
	mov    $0x2,%r10d
	sub    %rdx,%r10
	cmp    %r8,%rdi
	cmovb  %r9,%r10
	add    %rdi,%r10
	mov    %r10,0x80(%rax)
	mov    %r10,0x30(%rsi)
	mov    %rsi,(%rcx)
	pop    %rbx
	ret
	mov    %rsi,(%rcx)
	mov    %rbx,%rdi
	pop    %rbx
	jmp    <kymo::export::outlined0>
	lea    ...(%rip),%rdi
	lea    ...(%rip),%rdx
	mov    $0x28,%esi
	call   *0x56830(%rip)        # <_DYNAMIC+0x330>
