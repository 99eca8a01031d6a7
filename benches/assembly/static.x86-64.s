# 46 instructions are executed by one call (static; hardware counter).
# rustc 1.95.0, written by benches/assembly/update.sh.

<kymo_call_static>:
	mov    ...(%rip),%rax
	movzbl (%rax),%eax
	cmp    $0x2,%al
	jbe    <kymo_call_static+0x1a>
	lea    ...(%rip),%rdi
	jmp    <kymo::export::shared0>
	ret

<kymo::export::shared0>:
	mov    $0xffffffffffffff78,%rcx
	mov    %fs:(%rcx),%rsi
	test   %rsi,%rsi
	je     <kymo::export::shared0+0xae>
	movq   $0x0,%fs:(%rcx)
	mov    0x40(%rsi),%rax
	movzbl 0x463(%rax),%eax
	cmp    $0x1,%al
	je     <kymo::export::shared0+0x3d>
	movzbl %al,%eax
	test   %eax,%eax
	jne    <kymo::export::shared0+0xaa>
	rdtsc
	shl    $0x20,%rdx
	or     %rax,%rdx
	jmp    <kymo::export::shared0+0x47>
	mov    ...(%rip),%rax
	mov    (%rax),%rdx
	mov    0x30(%rsi),%rax
	lea    0x10(%rax),%r8
	cmp    0x38(%rsi),%r8
	ja     <kymo::export::shared0+0xaa>
	shl    $0x10,%rdi
	or     $0x10,%rdi
	mov    %rdi,(%rax)
	mov    %rdx,0x8(%rax)
	mov    %r8,0x30(%rsi)
	mov    (%rsi),%rax
	mov    0x10(%rsi),%rdx
	mov    0x108(%rax),%rdi
	lea    -0x2(,%rdi,2),%r8
	add    %rdi,%rdi
	mov    $0x2,%r9d
	mov    $0x2,%r10d
	sub    %rdi,%r10
	cmp    %r8,%rdx
	cmovb  %r9,%r10
	add    %rdx,%r10
	mov    %r10,0x80(%rax)
	mov    %r10,0x10(%rsi)
	mov    %rsi,%fs:(%rcx)
	ret
	mov    %rsi,%fs:(%rcx)
	jmp    *0xdb8f4(%rip)        # <_DYNAMIC+0x3d8>
