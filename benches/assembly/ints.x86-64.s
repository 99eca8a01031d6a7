# 70 instructions are executed by one call (ints; hardware counter).
# rustc 1.95.0, written by benches/assembly/update.sh.

<kymo_call_ints>:
	mov    ...(%rip),%rax
	movzbl (%rax),%eax
	cmp    $0x2,%al
	jbe    <kymo_call_ints+0x23>
	mov    %rdx,%rcx
	mov    %rsi,%rdx
	mov    %rdi,%rsi
	lea    ...(%rip),%rdi
	jmp    <kymo::export::shared3>
	ret

<kymo::export::shared3>:
	sub    $0x18,%rsp
	mov    %rsi,(%rsp)
	mov    %rdx,0x8(%rsp)
	mov    %rcx,0x10(%rsp)
	mov    $0xffffffffffffff48,%rcx
	mov    %fs:(%rcx),%rsi
	test   %rsi,%rsi
	je     <kymo::export::shared3+0x138>
	movq   $0x0,%fs:(%rcx)
	movaps (%rsp),%xmm0
	mov    0x10(%rsp),%r8
	mov    0x48(%rsi),%rax
	movzbl 0x140(%rax),%eax
	cmp    $0x1,%al
	je     <kymo::export::shared3+0x5c>
	movzbl %al,%eax
	test   %eax,%eax
	jne    <kymo::export::shared3+0x134>
	rdtsc
	shl    $0x20,%rdx
	or     %rax,%rdx
	jmp    <kymo::export::shared3+0x66>
	mov    ...(%rip),%rax
	mov    (%rax),%rdx
	mov    0x38(%rsi),%rax
	lea    0x28(%rax),%r9
	cmp    0x40(%rsi),%r9
	ja     <kymo::export::shared3+0x134>
	shl    $0x10,%rdi
	or     $0x28,%rdi
	mov    %rdi,(%rax)
	mov    %rdx,0x8(%rax)
	movups %xmm0,0x10(%rax)
	mov    %r8,0x20(%rax)
	mov    %r9,0x38(%rsi)
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
	cmp    $0x4,%r9
	ja     <kymo::export::shared3+0xfc>
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
	cmp    $0x5,%r10
	jb     <kymo::export::shared3+0x145>
	mov    0x30(%rsi),%rdi
	lea    -0x5(,%rdx,2),%r8
	add    %rdx,%rdx
	mov    $0x5,%r9d
	mov    $0x5,%r10d
	sub    %rdx,%r10
	cmp    %r8,%rdi
	cmovb  %r9,%r10
	add    %rdi,%r10
	mov    %r10,0x80(%rax)
	mov    %r10,0x30(%rsi)
	mov    %rsi,%fs:(%rcx)
	add    $0x18,%rsp
	ret
	mov    %rsi,%fs:(%rcx)
	mov    %rsp,%rsi
	call   <kymo::hot::log_slow>
	add    $0x18,%rsp
	ret
	lea    ...(%rip),%rdi
	lea    ...(%rip),%rdx
	mov    $0x28,%esi
	call   *0x8e622(%rip)        # <_DYNAMIC+0x330>
